using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Requests;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>Speaks the protocol byte by byte, for what no client library would send.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly TcpClient _client = new();

    public static async Task<RawClient> ConnectAsync(int port)
    {
        var raw = new RawClient();
        await raw._client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        return raw;
    }

    /// <summary>Sends one request and reads its answer up to behind the header.</summary>
    public async Task<ProtocolReader> AskAsync(ApiKey key, short version, Action<ProtocolWriter> body)
    {
        await SendAsync(Frame(key, version, body));
        return await AnswerAsync(key, version);
    }

    public static byte[] Frame(ApiKey key, short version, Action<ProtocolWriter> body)
    {
        using var writer = new ProtocolWriter();
        writer.Int32(0);
        writer.Int16((short)key);
        writer.Int16(version);
        writer.Int32(4711);
        writer.String("raw");
        writer.Flexible = IsFlexible(key, version);
        writer.Tags();
        body(writer);
        writer.PatchInt32(0, writer.Length - 4);
        return writer.Written.ToArray();
    }

    public async Task SendAsync(byte[] bytes) => await _client.GetStream().WriteAsync(bytes, TestContext.Current.CancellationToken);

    public async Task<ProtocolReader> AnswerAsync(ApiKey key, short version)
    {
        var length = new byte[4];
        await _client.GetStream().ReadExactlyAsync(length, TestContext.Current.CancellationToken).AsTask().WaitAsync(Bound);
        var bytes = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        await _client.GetStream().ReadExactlyAsync(bytes, TestContext.Current.CancellationToken).AsTask().WaitAsync(Bound);
        var reader = new ProtocolReader();
        reader.Reset(bytes, bytes.Length);
        reader.Int32().ShouldBe(4711);
        reader.Flexible = IsFlexible(key, version);
        if (key != ApiKey.ApiVersions)
        {
            reader.Tags();
        }
        return reader;
    }

    /// <summary>True once the broker has closed the connection.</summary>
    public async Task<bool> IsDroppedAsync()
    {
        try
        {
            return await _client.GetStream().ReadAsync(new byte[1], TestContext.Current.CancellationToken).AsTask().WaitAsync(Bound) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static bool IsFlexible(ApiKey key, short version) => OrderPlatform.Engines.Kafka.Requests.Api.Find((short)key) is { } api && version >= api.FlexibleFrom && version <= api.Max;
}
