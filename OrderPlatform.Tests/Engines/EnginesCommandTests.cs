using Npgsql;
using OrderPlatform.Engines.Postgres;

namespace OrderPlatform.Tests.Engines;

public sealed class EnginesCommandTests : IDisposable
{
    private static readonly Dictionary<string, string> Inherited = [];
    private static readonly TimeSpan GoneWithin = TimeSpan.FromSeconds(5);

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("postgres", "TERM")]
    [InlineData("postgres", "INT")]
    [InlineData("postgres", "KILL")]
    [InlineData("redis", "TERM")]
    [InlineData("redis", "INT")]
    [InlineData("redis", "KILL")]
    public async Task No_process_is_left_when_the_host_has_ended(string engine, string signal)
    {
        using var host = new EnginesCommand(Inherited, engine, "--data", _folder[engine]);
        var port = await host.PortAsync(Cancellation);
        await using var busy = engine == "postgres" ? await BusyBackendAsync(port) : null;
        var processes = host.Descendants();
        processes.ShouldNotBeEmpty();

        host.Signal(signal);

        await Eventually.TrueAsync(() => ProcessTree.StillRunning(processes).Count == 0, GoneWithin, () => $"left: {string.Join(", ", ProcessTree.StillRunning(processes))}", Cancellation);
        if (signal != "KILL")
        {
            (await host.ExitCodeAsync(Cancellation)).ShouldBe(0);
        }
    }

    [Theory]
    [InlineData("There is no engine postgress: name postgres, kafka, redis or clickhouse.", "postgress")]
    [InlineData("--port takes a number from 0 to 65535.", "redis", "--port", "99999")]
    public async Task Bad_usage_is_one_sentence_and_exit_code_2(string sentence, params string[] arguments)
    {
        using var command = new EnginesCommand(Inherited, arguments);

        (await command.ExitCodeAsync(Cancellation)).ShouldBe(2);
        command.Output.ShouldContain(sentence);
    }

    [Fact]
    public async Task Says_that_npm_is_missing_before_anything_is_downloaded()
    {
        using var command = new EnginesCommand(new Dictionary<string, string> { ["PATH"] = _folder.Path, ["ORDERPLATFORM_CACHE"] = _folder["cache"] }, "postgres", "--data", _folder["postgres"]);

        (await command.ExitCodeAsync(Cancellation)).ShouldBe(1);
        command.Output.ShouldContain("install Node.js");
        Directory.Exists(_folder["cache"]).ShouldBeFalse();
    }

    // a client in the middle of a long statement: the hardest backend to get rid of
    private async Task<NpgsqlConnection> BusyBackendAsync(int port)
    {
        var connection = new NpgsqlConnection(PostgresEngine.ConnectionString(_folder["postgres"], port, "postgres") + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        var command = new NpgsqlCommand("SELECT count(*) FROM generate_series(1, 10000000000)", connection);
        _ = command.ExecuteScalarAsync(Cancellation).ContinueWith(ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return connection;
    }
}
