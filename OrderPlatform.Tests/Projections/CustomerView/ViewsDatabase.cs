using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Projections.CustomerView;
using OrderPlatform.Setup;
using OrderPlatform.Tests.Relay.Tables;

namespace OrderPlatform.Tests.Projections.CustomerView;

/// <summary>A views database of a test's own, and what writes the customer view to it.</summary>
internal static class ViewsDatabase
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<NpgsqlDataSource> CreateAsync(EngineFixture engines)
    {
        var postgres = await engines.PostgresAsync();
        var connectionString = PostgresEngine.ConnectionString(engines.FolderOf("postgres"), postgres.Port, "views_" + Guid.NewGuid().ToString("N"));
        await PostgresDatabases.EnsureAsync(connectionString, Cancellation);
        await PostgresMigrations.ApplyAsync(connectionString, "views", Cancellation);
        return NpgsqlDataSource.Create(connectionString);
    }

    /// <summary>The projection, running.</summary>
    public static async Task<PartitionConsumer> ConsumeAsync(this NpgsqlDataSource views, TablesBed bed)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:kafka"] = bed.Bed.Kafka }).Build();
        var consumer = new PartitionConsumer(new CustomerViewProjection(views), configuration, new ProjectionState(TimeProvider.System), NullLogger.Instance, bed.Database.Source);
        await consumer.StartAsync(Cancellation);
        return consumer;
    }

    /// <summary>The rows of a query of one text column.</summary>
    public static async Task<List<string>> RowsAsync(this NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var rows = new List<string>();
        while (await reader.ReadAsync(Cancellation))
        {
            rows.Add(reader.IsDBNull(0) ? "" : reader.GetString(0));
        }
        return rows;
    }
}
