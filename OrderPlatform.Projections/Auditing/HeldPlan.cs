using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.SalesFacts;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// The writing of sales facts, held still for a moment: its row is locked while no plan is open, so ClickHouse holds exactly
/// what is before the progress, and nobody can plan more until this is given back.
/// </summary>
internal sealed class HeldPlan : IAsyncDisposable
{
    private const int Attempts = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private HeldPlan(NpgsqlConnection connection, NpgsqlTransaction transaction) => (_connection, _transaction) = (connection, transaction);

    /// <summary>The last plan: what it and those before it have inserted is what is before <see cref="Vector"/>.</summary>
    public long Number { get; private set; }

    /// <summary>Tells one rebuild from the next.</summary>
    public Guid Generation { get; private set; }

    /// <summary>The next offset of each partition of orders_analytics.</summary>
    public long[] Vector { get; private set; } = [];

    /// <summary>Waits for a moment without an open plan. There are many, since each insert ends with one.</summary>
    /// <exception cref="CannotBeAuditedException">A plan stays open: ClickHouse, or the projection, is away.</exception>
    public static async Task<HeldPlan> TakeAsync(NpgsqlDataSource views, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var connection = await views.OpenConnectionAsync(cancellation);
            var held = new HeldPlan(connection, await connection.BeginTransactionAsync(cancellation));
            if (await held.TryLockAsync(cancellation))
            {
                return held;
            }
            await held.DisposeAsync();
            await Task.Delay(Pause, cancellation);
        }
        throw new CannotBeAuditedException("A plan of sales facts is open and is not finished: are ClickHouse and the sales-facts projection running?");
    }

    /// <summary>Gives back facts that were changed: there are so many more now. Whoever has counted them meanwhile finds another number, and counts again.</summary>
    public async Task CommitAsync(long facts, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("UPDATE sales_facts_plan SET number = number + 1, facts = $2 WHERE projection = $1", _connection)
        {
            Parameters = { new() { Value = SalesFactsProjection.ProjectionName }, new() { Value = facts } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
        await _transaction.CommitAsync(cancellation);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task<bool> TryLockAsync(CancellationToken cancellation)
    {
        await using (var command = new NpgsqlCommand("SELECT generation, number, pending IS NULL FROM sales_facts_plan WHERE projection = $1 FOR UPDATE", _connection) { Parameters = { new() { Value = SalesFactsProjection.ProjectionName } } })
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation))
            {
                throw new CannotBeAuditedException("No sales facts were written yet.");
            }
            (Generation, Number) = (reader.GetGuid(0), reader.GetInt64(1));
            if (!reader.GetBoolean(2))
            {
                return false;
            }
        }
        var progress = await PostgresProgress.LoadAsync(_connection, SalesFactsProjection.ProjectionName, cancellation);
        Vector = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => progress.GetValueOrDefault(new TopicPartition(Topics.OrdersAnalytics, partition)))];
        return true;
    }
}
