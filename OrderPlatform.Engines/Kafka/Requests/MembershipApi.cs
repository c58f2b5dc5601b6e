using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>Members of groups: join, sync, heartbeat, leave.</summary>
internal static class MembershipApi
{
    public static async ValueTask JoinAsync(Request request)
    {
        var (groupId, join) = ReadJoin(request);
        var answer = await request.Broker.Groups.JoinAsync(groupId, join).WaitAsync(request.Closed);
        WriteJoin(request.Writer, request.Version, answer);
    }

    public static async ValueTask SyncAsync(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var (groupId, generation, memberId) = (reader.String(), reader.Int32(), reader.String());
        var instanceId = version >= 3 ? reader.NullableString() : null;
        var (protocolType, protocolName) = version >= 5 ? (reader.NullableString(), reader.NullableString()) : (null, null);
        var assignments = new Dictionary<string, byte[]>();
        reader.Array(r =>
        {
            var member = r.String();
            assignments[member] = r.Bytes().ToArray();
            r.Tags();
            return member;
        });
        var answer = request.Broker.Groups.Find(groupId) is { } group
            ? await group.Sync(memberId, instanceId, generation, protocolType, protocolName, assignments).WaitAsync(request.Closed)
            : SyncAnswer.Failed(Unknown(groupId));
        ClusterApi.WriteThrottle(writer, version >= 1);
        writer.Error(answer.Error);
        if (version >= 5)
        {
            writer.String(answer.ProtocolType);
            writer.String(answer.ProtocolName);
        }
        writer.Bytes(answer.Assignment);
        writer.Tags();
    }

    public static void Heartbeat(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var (groupId, generation, memberId) = (reader.String(), reader.Int32(), reader.String());
        var instanceId = version >= 3 ? reader.NullableString() : null;
        ClusterApi.WriteThrottle(writer, version >= 1);
        writer.Error(request.Broker.Groups.Find(groupId)?.Heartbeat(memberId, instanceId, generation) ?? Unknown(groupId));
        writer.Tags();
    }

    public static void Leave(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var groupId = reader.String();
        var members = version < 3 ? [(Id: reader.String(), InstanceId: null)] : reader.Array(r =>
        {
            var member = (Id: r.String(), InstanceId: r.NullableString());
            if (version >= 5)
            {
                r.NullableString();
            }
            r.Tags();
            return member;
        });
        ErrorCode Left((string Id, string? InstanceId) member) =>
            request.Broker.Groups.Find(groupId)?.Leave(member.Id, member.InstanceId) ?? Unknown(groupId);

        ClusterApi.WriteThrottle(writer, version >= 1);
        if (version < 3)
        {
            writer.Error(Left(members[0]));
            writer.Tags();
            return;
        }
        writer.Error(groupId.Length == 0 ? ErrorCode.InvalidGroupId : ErrorCode.None);
        writer.Array(members, (w, member) =>
        {
            w.String(member.Id);
            w.String(member.InstanceId);
            w.Error(Left(member));
            w.Tags();
        });
        writer.Tags();
    }

    private static (string GroupId, JoinRequest Request) ReadJoin(Request request)
    {
        var (reader, version) = (request.Reader, request.Version);
        var groupId = reader.String();
        var sessionTimeout = reader.Int32();
        var rebalanceTimeout = version >= 1 ? reader.Int32() : sessionTimeout;
        var memberId = reader.String();
        var instanceId = version >= 5 ? reader.NullableString() : null;
        var protocolType = reader.String();
        var protocols = reader.Array(r =>
        {
            var protocol = new GroupProtocol(r.String(), r.Bytes().ToArray());
            r.Tags();
            return protocol;
        });
        return (groupId, new JoinRequest(
            memberId,
            instanceId,
            request.ClientId,
            request.ClientHost,
            TimeSpan.FromMilliseconds(sessionTimeout),
            TimeSpan.FromMilliseconds(rebalanceTimeout < 0 ? sessionTimeout : rebalanceTimeout),
            protocolType,
            protocols,
            RequiresKnownMemberId: version >= 4,
            CanSkipAssignment: version >= 9));
    }

    private static void WriteJoin(ProtocolWriter writer, short version, JoinAnswer answer)
    {
        ClusterApi.WriteThrottle(writer, version >= 2);
        writer.Error(answer.Error);
        writer.Int32(answer.Generation);
        if (version >= 7)
        {
            writer.String(answer.ProtocolType);
        }
        writer.String(version >= 7 ? answer.ProtocolName : answer.ProtocolName ?? "");
        writer.String(answer.Leader);
        if (version >= 9)
        {
            writer.Bool(answer.SkipAssignment);
        }
        writer.String(answer.MemberId);
        writer.Array(answer.Members, (w, member) =>
        {
            w.String(member.Id);
            if (version >= 5)
            {
                w.String(member.InstanceId);
            }
            w.Bytes(member.Metadata);
            w.Tags();
        });
        writer.Tags();
    }

    // a group that is not there has no members
    private static ErrorCode Unknown(string groupId) => groupId.Length == 0 ? ErrorCode.InvalidGroupId : ErrorCode.UnknownMemberId;
}
