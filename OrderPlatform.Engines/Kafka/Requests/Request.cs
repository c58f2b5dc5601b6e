using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>One request and the answer that is being written to it. A connection has one request at a time and uses this again for the next.</summary>
internal sealed class Request(Broker broker, string clientHost, CancellationToken closed) : IDisposable
{
    public Broker Broker { get; } = broker;
    public ProtocolReader Reader { get; } = new();
    public ProtocolWriter Writer { get; } = new();

    /// <summary>Record batches to be sent out of files, each behind so many bytes of <see cref="Writer"/>.</summary>
    public List<(int Behind, LogSlice Slice)> Slices { get; } = [];

    public string ClientHost { get; } = clientHost;

    /// <summary>The connection's end: nobody waits for the answer any more.</summary>
    public CancellationToken Closed { get; } = closed;

    public short Version { get; private set; }
    public string ClientId { get; private set; } = "";

    /// <summary>The client wants no answer (acks=0).</summary>
    public bool IsUnanswered { get; set; }

    public void Begin(Api api, short version, int correlationId)
    {
        Version = version;
        ClientId = Reader.LegacyNullableString() ?? "";
        Reader.Flexible = Writer.Flexible = version >= api.FlexibleFrom;
        Reader.Tags();
        BeginAnswer(api, correlationId);
    }

    /// <summary>Starts the answer: its size, filled in at the end, and its header.</summary>
    public void BeginAnswer(Api api, int correlationId)
    {
        Writer.Int32(0);
        Writer.Int32(correlationId);
        // the answer to ApiVersions keeps the old header, for clients that do not know yet what this broker is (KIP-511)
        if (api.Key != ApiKey.ApiVersions)
        {
            Writer.Tags();
        }
    }

    /// <summary>Makes ready for the next request.</summary>
    public void Reset()
    {
        Writer.Reset();
        IsUnanswered = false;
        ReleaseSlices();
    }

    public void ReleaseSlices()
    {
        foreach (var (_, slice) in Slices)
        {
            slice.Segment.Release();
        }
        Slices.Clear();
    }

    public void Dispose()
    {
        ReleaseSlices();
        Writer.Dispose();
    }
}
