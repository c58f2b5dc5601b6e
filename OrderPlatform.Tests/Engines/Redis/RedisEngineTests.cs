using OrderPlatform.Engines;
using OrderPlatform.Engines.Redis;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Engines.Redis;

public sealed class RedisEngineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Acknowledged_writes_survive_kill_nine()
    {
        var load = new RedisLoad();
        for (var round = 0; round < 30; round++)
        {
            await using var redis = await StartAsync();
            using var connection = await ConnectAsync(redis.Port);
            await load.CheckAsync(connection.GetDatabase());

            using var killed = new CancellationTokenSource();
            var running = load.RunAsync(connection.GetDatabase(), killed.Token);
            await load.UntilAcknowledgedAsync(more: 300, TestContext.Current.CancellationToken);
            await redis.Process.KillAsync();
            await killed.CancelAsync();
            await running;
        }
    }

    private Task<RunningEngine> StartAsync() =>
        RunningEngine.StartAsync(new RedisEngine(), _folder["redis"], 0, TestContext.Current.SendDiagnosticMessage, TestContext.Current.CancellationToken);

    private static Task<ConnectionMultiplexer> ConnectAsync(int port) =>
        ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", port } }, AbortOnConnectFail = true, SyncTimeout = 5000, ConnectRetry = 1 });
}
