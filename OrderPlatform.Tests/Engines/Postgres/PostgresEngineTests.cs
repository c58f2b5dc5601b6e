using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Postgres;

namespace OrderPlatform.Tests.Engines.Postgres;

public sealed class PostgresEngineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string DataFolder => _folder["postgres"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Decodes_logically_flushes_commits_and_checks_pages()
    {
        await using var postgres = await StartAsync();
        await using var source = NpgsqlDataSource.Create(PostgresEngine.ConnectionString(DataFolder, postgres.Port, "postgres"));

        foreach (var (setting, value) in new[] { ("wal_level", "logical"), ("fsync", "on"), ("synchronous_commit", "on"), ("data_checksums", "on"), ("server_encoding", "UTF8"), ("listen_addresses", "127.0.0.1") })
        {
            await using var show = source.CreateCommand($"SHOW {setting}");
            (await show.ExecuteScalarAsync(Cancellation)).ShouldBe(value, setting);
        }
    }

    [Fact]
    public async Task Refuses_whoever_does_not_know_the_password()
    {
        await using var postgres = await StartAsync();
        var connectionString = new NpgsqlConnectionStringBuilder(PostgresEngine.ConnectionString(DataFolder, postgres.Port, "postgres")) { Password = "guessed" }.ToString();
        await using var source = NpgsqlDataSource.Create(connectionString);

        var refusal = await Should.ThrowAsync<PostgresException>(async () => await source.OpenConnectionAsync(Cancellation));

        refusal.SqlState.ShouldBe(PostgresErrorCodes.InvalidPassword);
        File.GetUnixFileMode(PostgresEngine.PasswordFile(DataFolder)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Acknowledged_commits_survive_kill_nine_and_it_restarts_at_once()
    {
        var load = new PostgresLoad();
        for (var round = 0; round < 20; round++)
        {
            await using var postgres = await StartAsync();
            await using var source = NpgsqlDataSource.Create(PostgresEngine.ConnectionString(DataFolder, postgres.Port, "postgres"));
            await load.CheckAsync(source, Cancellation);

            var running = load.RunAsync(source, Cancellation);
            await load.UntilAcknowledgedAsync(more: 100, Cancellation);
            await postgres.Process.KillAsync();
            await running;
        }
    }

    [Fact]
    public async Task An_initdb_that_was_cut_off_is_done_again()
    {
        var half = Path.Combine(DataFolder, "cluster.partial");
        Directory.CreateDirectory(half);
        await File.WriteAllTextAsync(Path.Combine(half, "PG_VERSION"), "18", Cancellation);

        await using var postgres = await StartAsync();

        Directory.Exists(half).ShouldBeFalse();
    }

    [Fact]
    public async Task A_lock_file_with_the_number_of_another_program_does_not_hinder()
    {
        await (await StartAsync()).DisposeAsync();
        await File.WriteAllTextAsync(Path.Combine(DataFolder, "cluster", "postmaster.pid"), $"{Environment.ProcessId}\n", Cancellation);

        await using var postgres = await StartAsync();
    }

    private Task<RunningEngine> StartAsync() =>
        RunningEngine.StartAsync(new PostgresEngine(), DataFolder, 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
}
