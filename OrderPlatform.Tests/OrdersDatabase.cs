using Npgsql;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Setup;

namespace OrderPlatform.Tests;

/// <summary>An orders database of a test's own, migrated, in the PostgreSQL of the run.</summary>
internal sealed class OrdersDatabase : IAsyncDisposable
{
    private OrdersDatabase(string connectionString) => Source = NpgsqlDataSource.Create(ConnectionString = connectionString);

    public string ConnectionString { get; }

    public NpgsqlDataSource Source { get; }

    public static async Task<OrdersDatabase> CreateAsync(EngineFixture engines, CancellationToken cancellation)
    {
        var postgres = await engines.PostgresAsync();
        var connectionString = PostgresEngine.ConnectionString(engines.FolderOf("postgres"), postgres.Port, "orders_" + Guid.NewGuid().ToString("N"));
        await PostgresDatabases.EnsureAsync(connectionString, cancellation);
        await PostgresMigrations.ApplyAsync(connectionString, "orders", cancellation);
        return new OrdersDatabase(connectionString);
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
