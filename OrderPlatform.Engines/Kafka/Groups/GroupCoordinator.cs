using System.Collections.Concurrent;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Groups;

/// <summary>All groups: those with members, and those of which only committed offsets are left.</summary>
internal sealed class GroupCoordinator(OffsetStore offsets, TimeProvider clock, KafkaLog log) : IDisposable
{
    // Apache Kafka's group.min.session.timeout.ms and group.max.session.timeout.ms
    private static readonly TimeSpan SessionTimeoutMin = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan SessionTimeoutMax = TimeSpan.FromMinutes(30);

    private readonly ConcurrentDictionary<string, Group> _groups = new();

    public Task<JoinAnswer> JoinAsync(string groupId, JoinRequest request)
    {
        if (groupId.Length == 0)
        {
            return Group.Refused(ErrorCode.InvalidGroupId, request.MemberId);
        }
        if (request.SessionTimeout < SessionTimeoutMin || request.SessionTimeout > SessionTimeoutMax)
        {
            return Group.Refused(ErrorCode.InvalidSessionTimeout, request.MemberId);
        }
        while (true)
        {
            var group = _groups.GetOrAdd(groupId, id => new Group(id, clock, log, OnEmpty));
            if (group.TryJoin(request, out var answer))
            {
                return answer;
            }
        }
    }

    /// <summary>The group, if it has members or awaits some.</summary>
    public Group? Find(string groupId) => _groups.GetValueOrDefault(groupId);

    public ErrorCode MayCommit(string groupId, string memberId, string? instanceId, int generation) =>
        Find(groupId) is { } group ? group.MayCommit(memberId, instanceId, generation)
        : generation < 0 ? ErrorCode.None
        : ErrorCode.UnknownMemberId;

    public GroupDescription Describe(string groupId) =>
        Find(groupId)?.Describe()
        ?? new GroupDescription(offsets.Of(groupId).Count > 0 ? GroupState.Empty : GroupState.Dead, "", "", []);

    public IEnumerable<string> Groups() => offsets.Groups().Union(_groups.Keys);

    /// <summary>Deletes what a group without members has committed.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public ErrorCode Delete(string groupId) =>
        groupId.Length == 0 ? ErrorCode.InvalidGroupId
        : Find(groupId) is not null ? ErrorCode.NonEmptyGroup
        : offsets.Delete(groupId) ? ErrorCode.None
        : ErrorCode.GroupIdNotFound;

    public void Dispose()
    {
        foreach (var group in _groups.Values)
        {
            group.Dispose();
        }
    }

    private void OnEmpty(Group group) => _groups.TryRemove(KeyValuePair.Create(group.Id, group));
}
