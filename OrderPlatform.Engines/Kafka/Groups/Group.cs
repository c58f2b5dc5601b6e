using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Groups;

/// <summary>The states of a group under the classic protocol, by the names that tools show.</summary>
internal enum GroupState
{
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

/// <summary>
/// One consumer group under the classic protocol
/// (https://cwiki.apache.org/confluence/display/KAFKA/Kafka+Client-side+Assignment+Proposal): members join, one of them, the
/// leader, shares out the partitions, all fetch their share with a sync, and heartbeats keep the sessions. Every change of
/// members starts a new generation. Dynamic members (KIP-394) and static ones (KIP-345).
/// </summary>
internal sealed partial class Group : IDisposable
{
    private const int MembersMax = 1000;

    private readonly Lock _lock = new();
    private readonly string _id;
    private readonly TimeProvider _clock;
    private readonly KafkaLog _log;
    private readonly Action<Group> _onEmpty;
    private readonly ITimer _timer;

    // in the order of joining: the first is the next leader
    private readonly List<GroupMember> _members = [];
    private readonly Dictionary<string, DateTimeOffset> _promisedIds = [];
    private string _leader = "";
    private string _protocolType = "";
    private string _protocolName = "";
    private int _generation;

    /// <summary>When the present phase, joining or syncing, goes on without those who are late.</summary>
    private DateTimeOffset _phaseEnds;

    /// <param name="onEmpty">Called under the group's lock when the last member has gone; the group is dead then.</param>
    public Group(string id, TimeProvider clock, KafkaLog log, Action<Group> onEmpty)
    {
        (_id, _clock, _log, _onEmpty) = (id, clock, log, onEmpty);
        _timer = clock.CreateTimer(_ => OnTimer(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public string Id => _id;
    public GroupState State { get; private set; }

    /// <summary>False when the group is dead: it must be asked for again by its id.</summary>
    public bool TryJoin(JoinRequest request, out Task<JoinAnswer> answer)
    {
        lock (_lock)
        {
            var isDead = State == GroupState.Dead;
            answer = isDead ? Refused(ErrorCode.UnknownMemberId, request.MemberId) : Joined(request);
            if (!isDead)
            {
                Settle();
            }
            return !isDead;
        }
    }

    public Task<SyncAnswer> Sync(string memberId, string? instanceId, int generation, string? protocolType, string? protocolName, IReadOnlyDictionary<string, byte[]> assignments)
    {
        lock (_lock)
        {
            var error = Find(memberId, instanceId, generation, out var member);
            if (error == ErrorCode.None && ((protocolType ?? _protocolType) != _protocolType || (protocolName ?? _protocolName) != _protocolName))
            {
                error = ErrorCode.InconsistentGroupProtocol;
            }
            if (error == ErrorCode.None && State == GroupState.PreparingRebalance)
            {
                error = ErrorCode.RebalanceInProgress;
            }
            if (error != ErrorCode.None)
            {
                return Task.FromResult(SyncAnswer.Failed(error));
            }
            KeepSession(member!);
            if (State == GroupState.Stable)
            {
                return Task.FromResult(Share(member!));
            }
            member!.Syncing = new TaskCompletionSource<SyncAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
            var answer = member.Syncing.Task;
            if (member.Id == _leader)
            {
                HandOut(assignments);
            }
            Settle();
            return answer;
        }
    }

    public ErrorCode Heartbeat(string memberId, string? instanceId, int generation)
    {
        lock (_lock)
        {
            var error = Find(memberId, instanceId, generation, out var member);
            if (error != ErrorCode.None)
            {
                return error;
            }
            KeepSession(member!);
            return State == GroupState.PreparingRebalance ? ErrorCode.RebalanceInProgress : ErrorCode.None;
        }
    }

    /// <summary>May this member commit? Also counts as a sign of life.</summary>
    public ErrorCode MayCommit(string memberId, string? instanceId, int generation)
    {
        lock (_lock)
        {
            // a consumer that assigns its partitions itself commits without a generation, while nobody shares them out
            if (generation < 0 && memberId.Length == 0 && _members.Count == 0)
            {
                return ErrorCode.None;
            }
            var error = Find(memberId, instanceId, generation, out var member);
            if (error != ErrorCode.None)
            {
                return error;
            }
            KeepSession(member!);
            return State == GroupState.CompletingRebalance ? ErrorCode.RebalanceInProgress : ErrorCode.None;
        }
    }

    public ErrorCode Leave(string memberId, string? instanceId)
    {
        lock (_lock)
        {
            if (_promisedIds.Remove(memberId))
            {
                Settle();
                return ErrorCode.None;
            }
            var member = instanceId is null ? ById(memberId) : ByInstance(instanceId);
            if (member is null)
            {
                return ErrorCode.UnknownMemberId;
            }
            if (memberId.Length > 0 && memberId != member.Id)
            {
                return ErrorCode.FencedInstanceId;
            }
            Remove(member, "it left");
            Settle();
            return ErrorCode.None;
        }
    }

    public static Task<JoinAnswer> Refused(ErrorCode error, string memberId) => Task.FromResult(new JoinAnswer(error, memberId));

    public GroupDescription Describe()
    {
        lock (_lock)
        {
            return new GroupDescription(State, _protocolType, _protocolName, [.. _members.Select(m => m.Describe(_protocolName))]);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            Die();
        }
    }

    private void Rebalance()
    {
        if (State == GroupState.PreparingRebalance)
        {
            return;
        }
        foreach (var member in _members.FindAll(m => m.Syncing is not null))
        {
            member.Syncing!.TrySetResult(SyncAnswer.Failed(ErrorCode.RebalanceInProgress));
            member.Syncing = null;
            // while it waited it owed no sign of life
            KeepSession(member);
        }
        State = GroupState.PreparingRebalance;
        _phaseEnds = _clock.GetUtcNow() + _members.Max(m => m.Request.RebalanceTimeout);
    }

    // goes on as far as it can at the end of every call, and sets the timer for what only time decides
    private void Settle()
    {
        if (State == GroupState.PreparingRebalance && _promisedIds.Count == 0 && _members.Count > 0 && _members.TrueForAll(m => m.Joining is not null))
        {
            StartGeneration();
        }
        if (_members.Count == 0 && _promisedIds.Count == 0)
        {
            Die();
            return;
        }
        var next = _members.Where(m => !m.IsWaiting).Select(m => m.SessionEnds).Concat(_promisedIds.Values);
        if (State is GroupState.PreparingRebalance or GroupState.CompletingRebalance)
        {
            next = next.Append(_phaseEnds);
        }
        var wait = next.DefaultIfEmpty(DateTimeOffset.MaxValue).Min() - _clock.GetUtcNow();
        // what is further away than a day is looked at again then
        _timer.Change(wait < TimeSpan.Zero ? TimeSpan.Zero : wait < TimeSpan.FromDays(1) ? wait : TimeSpan.FromDays(1), Timeout.InfiniteTimeSpan);
    }

    private void StartGeneration()
    {
        _generation++;
        _protocolType = _members[0].Request.ProtocolType;
        _protocolName = VotedProtocol();
        if (ById(_leader) is null)
        {
            _leader = _members[0].Id;
        }
        State = GroupState.CompletingRebalance;
        _phaseEnds = _clock.GetUtcNow() + _members.Max(m => m.Request.RebalanceTimeout);
        foreach (var member in _members)
        {
            KeepSession(member);
            member.Joining!.TrySetResult(Answer(member));
            member.Joining = null;
        }
        _log.GroupRebalanced(_id, _generation, _members.Count);
    }

    // every member votes for the first of its protocols that all know
    private string VotedProtocol() => _members
        .Select(m => m.Request.Protocols.First(p => _members.TrueForAll(other => other.Knows(p.Name))).Name)
        .CountBy(name => name)
        .MaxBy(votes => votes.Value).Key;

    private void HandOut(IReadOnlyDictionary<string, byte[]> assignments)
    {
        State = GroupState.Stable;
        foreach (var member in _members)
        {
            member.Assignment = assignments.GetValueOrDefault(member.Id) ?? [];
            member.Syncing?.TrySetResult(Share(member));
            member.Syncing = null;
            KeepSession(member);
        }
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            if (State == GroupState.Dead)
            {
                return;
            }
            var now = _clock.GetUtcNow();
            foreach (var (id, ends) in _promisedIds)
            {
                if (ends <= now)
                {
                    _promisedIds.Remove(id);
                }
            }
            foreach (var member in _members.FindAll(m => !m.IsWaiting && m.SessionEnds <= now))
            {
                Remove(member, "no heartbeat within its session time-out");
            }
            if (_phaseEnds <= now)
            {
                EndPhase();
            }
            Settle();
        }
    }

    private void EndPhase()
    {
        if (State == GroupState.PreparingRebalance)
        {
            _promisedIds.Clear();
            foreach (var late in _members.FindAll(m => m.Joining is null))
            {
                Remove(late, "it did not rejoin within the rebalance time-out");
            }
        }
        else if (State == GroupState.CompletingRebalance)
        {
            foreach (var late in _members.FindAll(m => m.Syncing is null))
            {
                Remove(late, "it did not sync within the rebalance time-out");
            }
        }
    }

    private void Remove(GroupMember member, string reason)
    {
        _members.Remove(member);
        member.Joining?.TrySetResult(new JoinAnswer(ErrorCode.UnknownMemberId, member.Id));
        member.Syncing?.TrySetResult(SyncAnswer.Failed(ErrorCode.UnknownMemberId));
        _log.MemberGone(_id, member.Id, reason);
        if (_members.Count > 0)
        {
            Rebalance();
        }
        else
        {
            State = GroupState.Empty;
        }
    }

    private void Die()
    {
        if (State == GroupState.Dead)
        {
            return;
        }
        State = GroupState.Dead;
        _timer.Dispose();
        _onEmpty(this);
    }

    private ErrorCode Find(string memberId, string? instanceId, int generation, out GroupMember? member)
    {
        member = instanceId is null ? ById(memberId) : ByInstance(instanceId);
        return member is null ? ErrorCode.UnknownMemberId
            : member.Id != memberId ? ErrorCode.FencedInstanceId
            : generation != _generation ? ErrorCode.IllegalGeneration
            : ErrorCode.None;
    }

    private JoinAnswer Answer(GroupMember member) => new(ErrorCode.None, member.Id)
    {
        Generation = _generation,
        ProtocolType = _protocolType,
        ProtocolName = _protocolName,
        Leader = _leader,
        Members = member.Id == _leader ? [.. _members.Select(m => (m.Id, m.Request.InstanceId, m.MetadataFor(_protocolName)))] : [],
    };

    private SyncAnswer Share(GroupMember member) => new(ErrorCode.None, _protocolType, _protocolName, member.Assignment);

    private void KeepSession(GroupMember member) => member.SessionEnds = _clock.GetUtcNow() + member.Request.SessionTimeout;

    private GroupMember? ById(string id) => _members.Find(m => m.Id == id);

    private GroupMember? ByInstance(string instanceId) => _members.Find(m => m.Request.InstanceId == instanceId);
}
