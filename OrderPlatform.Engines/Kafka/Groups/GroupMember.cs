using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Groups;

/// <summary>A way to share out the partitions that a member knows, and what it says of itself for it.</summary>
internal readonly record struct GroupProtocol(string Name, byte[] Metadata);

/// <summary>What a member asks for when it joins.</summary>
internal sealed record JoinRequest(
    string MemberId,
    string? InstanceId,
    string ClientId,
    string ClientHost,
    TimeSpan SessionTimeout,
    TimeSpan RebalanceTimeout,
    string ProtocolType,
    List<GroupProtocol> Protocols,
    bool RequiresKnownMemberId,
    bool CanSkipAssignment);

/// <summary>What a member learns from a finished join; the leader also learns of all members.</summary>
internal sealed record JoinAnswer(ErrorCode Error, string MemberId)
{
    public int Generation { get; init; } = -1;
    public string? ProtocolType { get; init; }
    public string? ProtocolName { get; init; }
    public string Leader { get; init; } = "";
    public bool SkipAssignment { get; init; }
    public IReadOnlyList<(string Id, string? InstanceId, byte[] Metadata)> Members { get; init; } = [];
}

/// <summary>A member's share.</summary>
internal sealed record SyncAnswer(ErrorCode Error, string? ProtocolType, string? ProtocolName, byte[] Assignment)
{
    public static SyncAnswer Failed(ErrorCode error) => new(error, null, null, []);
}

/// <summary>A group as it is now, for people's tools.</summary>
internal sealed record GroupDescription(GroupState State, string ProtocolType, string ProtocolName, IReadOnlyList<MemberDescription> Members);

/// <summary>A member as it is now, for people's tools.</summary>
internal sealed record MemberDescription(string Id, string? InstanceId, string ClientId, string ClientHost, byte[] Metadata, byte[] Assignment);

/// <summary>A member of a group between its join and its end.</summary>
internal sealed class GroupMember(string id, JoinRequest request)
{
    public string Id { get; } = id;

    /// <summary>Its last request to join.</summary>
    public JoinRequest Request { get; set; } = request;

    public byte[] Assignment { get; set; } = [];

    /// <summary>When its session ends unless it is heard of.</summary>
    public DateTimeOffset SessionEnds { get; set; }

    /// <summary>Its unanswered join, if any.</summary>
    public TaskCompletionSource<JoinAnswer>? Joining { get; set; }

    /// <summary>Its unanswered sync, if any.</summary>
    public TaskCompletionSource<SyncAnswer>? Syncing { get; set; }

    /// <summary>The broker owes it an answer, so its silence says nothing.</summary>
    public bool IsWaiting => Joining is not null || Syncing is not null;

    public byte[] MetadataFor(string protocol) => Request.Protocols.Find(p => p.Name == protocol).Metadata ?? [];

    public bool Knows(string protocol) => Request.Protocols.Exists(p => p.Name == protocol);

    public bool AsksTheSame(JoinRequest other) =>
        Request.ProtocolType == other.ProtocolType
        && Request.Protocols.Count == other.Protocols.Count
        && Request.Protocols.Zip(other.Protocols).All(p => p.First.Name == p.Second.Name && p.First.Metadata.AsSpan().SequenceEqual(p.Second.Metadata));

    public MemberDescription Describe(string protocol) => new(Id, Request.InstanceId, Request.ClientId, Request.ClientHost, MetadataFor(protocol), Assignment);
}
