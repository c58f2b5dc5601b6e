using Npgsql;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Setup;

namespace OrderPlatform.Tests;

/// <summary>An orders database of a test's own, migrated, in the PostgreSQL of the run.</summary>
internal sealed class OrdersDatabase : IAsyncDisposable
{
    private OrdersDatabase(string connectionString) => Source = NpgsqlDataSource.Create(ConnectionString = connectionString);

    public string ConnectionString { get; }

    public string Name => new NpgsqlConnectionStringBuilder(ConnectionString).Database!;

    public NpgsqlDataSource Source { get; }

    public static async Task<OrdersDatabase> CreateAsync(EngineFixture engines, CancellationToken cancellation)
    {
        var postgres = await engines.PostgresAsync();
        return await CreateAsync(engines.FolderOf("postgres"), postgres.Port, cancellation);
    }

    /// <summary>In a PostgreSQL of the test's own.</summary>
    public static async Task<OrdersDatabase> CreateAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        var connectionString = PostgresEngine.ConnectionString(dataFolder, port, "orders_" + Guid.NewGuid().ToString("N"));
        await PostgresDatabases.EnsureAsync(connectionString, cancellation);
        await PostgresMigrations.ApplyAsync(connectionString, "orders", cancellation);
        return new OrdersDatabase(connectionString);
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async Task<object?> ScalarAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(cancellation);
    }

    /// <summary>Drops the slots that a relay has left: the cluster has few, and they keep WAL.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await ExecuteAsync("SELECT pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()", CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // a PostgreSQL of the test's own has gone before
        }
        await Source.DisposeAsync();
    }
}
