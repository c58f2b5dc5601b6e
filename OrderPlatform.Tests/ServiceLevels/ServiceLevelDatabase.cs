using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Postgres;

namespace OrderPlatform.Tests.ServiceLevels;

/// <summary>A database with the table of the service levels, for the tests of one class.</summary>
public sealed class ServiceLevelDatabase : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private RunningEngine _postgres = null!;

    public NpgsqlDataSource Views { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var data = _folder["postgres"];
        _postgres = await RunningEngine.StartAsync(new PostgresEngine(), data, 0, TestContext.Current.SendDiagnosticMessage, CancellationToken.None);
        Views = NpgsqlDataSource.Create(PostgresEngine.ConnectionString(data, _postgres.Port, "postgres"));
        var migration = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "ServiceLevels", "service_levels.sql"));
        await Views.CreateCommand(migration).ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Views.DisposeAsync();
        await _postgres.DisposeAsync();
        _folder.Dispose();
    }
}
