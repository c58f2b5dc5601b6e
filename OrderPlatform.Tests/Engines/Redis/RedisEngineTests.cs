using OrderPlatform.Engines;
using OrderPlatform.Engines.Redis;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Engines.Redis;

public sealed class RedisEngineTests : IDisposable
{
    private static readonly RedisChannel News = new("news", RedisChannel.PatternMode.Literal);
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

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
            await load.UntilAcknowledgedAsync(more: 100, TestContext.Current.CancellationToken);
            await redis.Process.KillAsync();
            await killed.CancelAsync();
            await running;
        }
    }

    [Fact]
    public async Task Keeps_what_does_not_fit_into_its_memory()
    {
        const int Keys = 180_000;
        var value = new string('x', 1000);
        await using var redis = await StartAsync(new RedisEngine { Memory = "128m" });
        using var connection = await ConnectAsync(redis.Port);
        var database = connection.GetDatabase();

        foreach (var batch in Enumerable.Range(0, Keys).Chunk(5_000))
        {
            await Task.WhenAll(batch.Select(key => database.StringSetAsync($"key:{key}", value)));
        }

        foreach (var key in Enumerable.Range(0, Keys).Where(key => key % 500 == 0))
        {
            ((string?)await database.StringGetAsync($"key:{key}")).ShouldBe(value, $"key:{key}");
        }
    }

    [Fact]
    public async Task Is_emptied_written_to_and_saved_again_and_again()
    {
        await using var redis = await StartAsync();
        using var connection = await ConnectAsync(redis.Port);
        var database = connection.GetDatabase();

        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 20_000).Select(key => database.HashSetAsync($"key:{key}", [new("round", round), new("text", "some")]))).WaitAsync(Bound, TestContext.Current.CancellationToken);
            await database.ExecuteAsync("FLUSHALL").WaitAsync(Bound, TestContext.Current.CancellationToken);
            await Task.WhenAll(Enumerable.Range(0, 10_000).Select(key => database.HashSetAsync($"key:{key}", [new("round", round), new("text", "some")]))).WaitAsync(Bound, TestContext.Current.CancellationToken);
            await database.ExecuteAsync("SAVE").WaitAsync(Bound, TestContext.Current.CancellationToken);
        }

        ((int)await database.HashGetAsync("key:1", "round")).ShouldBe(2);
    }

    [Fact]
    public async Task Runs_scripts_over_several_keys_and_tells_subscribers()
    {
        await using var redis = await StartAsync();
        using var connection = await ConnectAsync(redis.Port);
        var heard = new TaskCompletionSource<string>();
        await connection.GetSubscriber().SubscribeAsync(News, (_, message) => heard.TrySetResult(message!));

        var sum = await connection.GetDatabase().ScriptEvaluateAsync(
            "redis.call('SET', KEYS[1], ARGV[1]); redis.call('SET', KEYS[2], ARGV[2]); return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])", ["{k}1", "{k}2"], [40, 2]);
        await connection.GetSubscriber().PublishAsync(News, "hello");

        ((int)sum).ShouldBe(42);
        (await heard.Task.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken)).ShouldBe("hello");
    }

    [Fact]
    public async Task Refuses_transactions()
    {
        await using var redis = await StartAsync();
        using var connection = await ConnectAsync(redis.Port);
        var transaction = connection.GetDatabase().CreateTransaction();
        _ = transaction.StringSetAsync("key", "value");

        await Should.ThrowAsync<RedisException>(() => transaction.ExecuteAsync().WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
    }

    private Task<RunningEngine> StartAsync(RedisEngine? engine = null) =>
        RunningEngine.StartAsync(engine ?? new RedisEngine(), _folder["redis"], 0, TestContext.Current.SendDiagnosticMessage, TestContext.Current.CancellationToken);

    private static Task<ConnectionMultiplexer> ConnectAsync(int port) =>
        ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", port } }, AbortOnConnectFail = true, SyncTimeout = 5000, ConnectRetry = 1 });
}
