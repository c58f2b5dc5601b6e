using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using OrderPlatform.Engines.Kafka.Requests;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Kafka;

/// <summary>The Kafka-protocol broker as an engine: it is part of this project, so nothing has to be got.</summary>
/// <param name="advertisedPort">The port that clients are told to connect to, when something stands between; 0 for its own.</param>
public sealed class KafkaEngine(int advertisedPort = 0) : IEngine
{
    /// <inheritdoc />
    public string Name => "kafka";

    /// <inheritdoc />
    public IReadOnlyList<string> Missing() => [];

    /// <inheritdoc />
    public Task GetAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc />
    public Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        Directory.CreateDirectory(dataFolder);
        return Task.FromResult(ChildCommand.DotNet(typeof(KafkaEngine).Assembly.Location, "kafka", "--port", $"{port}", "--advertised-port", $"{advertisedPort}", "--data", dataFolder) with
        {
            Environment = new Dictionary<string, string>
            {
                // waiting threads that spin take the processor from the clients beside them
                ["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0",
                // a request is answered on the thread that heard of it, a switch less each way: 15 % of consuming
                ["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1",
                // the broker is warm after a second instead of ten; what it does most is copying, which no profile makes faster
                ["DOTNET_TieredPGO"] = "0",
            },
        });
    }

    /// <inheritdoc />
    public async Task<bool> IsReadyAsync(int port, CancellationToken cancellation)
    {
        // length, ApiVersions, version 0, correlation id, no client id
        var request = new byte[14];
        BinaryPrimitives.WriteInt32BigEndian(request, request.Length - 4);
        BinaryPrimitives.WriteInt16BigEndian(request.AsSpan(4), (short)ApiKey.ApiVersions);
        BinaryPrimitives.WriteInt16BigEndian(request.AsSpan(12), -1);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(TimeSpan.FromSeconds(2));
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, bound.Token);
            await client.GetStream().WriteAsync(request, bound.Token);
            // length, correlation id, error code
            var answer = new byte[10];
            await client.GetStream().ReadExactlyAsync(answer, bound.Token);
            return BinaryPrimitives.ReadInt16BigEndian(answer.AsSpan(8)) == 0;
        }
        catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }
}
