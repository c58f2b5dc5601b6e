using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>Groups as people's tools see them.</summary>
internal static class GroupsApi
{
    private const string Classic = "classic";

    public static void List(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var states = version >= 4 ? reader.Array(r => r.String()) : [];
        var types = version >= 5 ? reader.Array(r => r.String()) : [];
        var groups = request.Broker.Groups.Groups()
            .Select(id => (Id: id, Description: request.Broker.Groups.Describe(id)))
            .Where(g => states.Count == 0 || states.Contains($"{g.Description.State}", StringComparer.OrdinalIgnoreCase))
            .Where(_ => types.Count == 0 || types.Contains(Classic, StringComparer.OrdinalIgnoreCase))
            .ToArray();
        ClusterApi.WriteThrottle(writer, version >= 1);
        writer.Error(ErrorCode.None);
        writer.Array(groups, (w, group) =>
        {
            w.String(group.Id);
            w.String(group.Description.ProtocolType);
            if (version >= 4)
            {
                w.String($"{group.Description.State}");
            }
            if (version >= 5)
            {
                w.String(Classic);
            }
            w.Tags();
        });
        writer.Tags();
    }

    public static void Describe(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var groups = reader.Array(r => r.String());
        ClusterApi.WriteThrottle(writer, version >= 1);
        writer.Array(groups, (w, id) =>
        {
            var group = request.Broker.Groups.Describe(id);
            w.Error(ErrorCode.None);
            w.String(id);
            w.String($"{group.State}");
            w.String(group.ProtocolType);
            w.String(group.ProtocolName);
            w.Array(group.Members, (_, member) => WriteMember(w, version, member));
            if (version >= 3)
            {
                w.Int32(int.MinValue);
            }
            w.Tags();
        });
        writer.Tags();
    }

    public static void Delete(Request request)
    {
        var groups = request.Reader.Array(r => r.String());
        ClusterApi.WriteThrottle(request.Writer);
        request.Writer.Array(groups, (w, id) =>
        {
            w.String(id);
            w.Error(TryDelete(request, id));
            w.Tags();
        });
        request.Writer.Tags();
    }

    private static ErrorCode TryDelete(Request request, string id)
    {
        try
        {
            return request.Broker.Groups.Delete(id);
        }
        catch (IOException e)
        {
            request.Broker.Log.WriteFailed("Group offsets", e.Message);
            return ErrorCode.KafkaStorageError;
        }
    }

    private static void WriteMember(ProtocolWriter writer, short version, MemberDescription member)
    {
        writer.String(member.Id);
        if (version >= 4)
        {
            writer.String(member.InstanceId);
        }
        writer.String(member.ClientId);
        writer.String("/" + member.ClientHost);
        writer.Bytes(member.Metadata);
        writer.Bytes(member.Assignment);
        writer.Tags();
    }
}
