using System.Diagnostics;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Redis;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Engines.Redis;

public sealed class RedisScriptsTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_call_under_way_when_the_server_is_killed_ends_at_once()
    {
        await using var redis = await RunningEngine.StartAsync(new RedisEngine(), _folder["redis"], 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
        using var connection = await ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", redis.Port } }, AbortOnConnectFail = false });
        const string Endless = "while true do end";

        var call = connection.GetDatabase().EvaluateAsync(Endless, ["key"], [], Bound, Cancellation);
        var since = Stopwatch.GetTimestamp();
        await redis.Process.KillAsync();

        var lost = await Record.ExceptionAsync(() => call);
        (lost is TimeoutException or RedisException).ShouldBeTrue($"{lost}");
        Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound / 2);
    }
}
