using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.OrderView;

/// <summary>order.events -> the order view, a database of its own for searching (CQRS).</summary>
public sealed class OrderViewProjection : ISink
{
    private readonly PostgresWrites _writes;
    private readonly ILogger _log;
    private readonly OrderViewTable _table;

    /// <summary>The live one.</summary>
    public OrderViewProjection([FromKeyedServices(Connections.Views)] NpgsqlDataSource source, ILogger<OrderViewProjection> log)
        : this(source, log, RebuildableProjections.OrderView, new OrderViewTable(OrderViewTable.Live))
    {
    }

    /// <summary>One with a table and a progress of its own.</summary>
    internal OrderViewProjection(NpgsqlDataSource source, ILogger log, string name, OrderViewTable table)
    {
        (_writes, _log, Name, _table) = (new PostgresWrites(source, name), log, name, table);
    }

    /// <inheritdoc />
    public string Name { get; }

    /// <inheritdoc />
    public string? Store => "order-view";

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    /// <inheritdoc />
    public int MaxBatch { get; init; } = 1000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(20);

    /// <inheritdoc />
    public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation) => _writes.ResumeAsync(partitions, cancellation);

    /// <inheritdoc />
    public Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation) => _writes.WriteAsync(
        batch, async connection => await _table.WriteAsync(connection, Rows(batch, await _table.VersionsAsync(connection, batch, cancellation)), cancellation), cancellation);

    // an order's last event of the batch wins: each order is written once
    private Dictionary<string, OrderViewRow>.ValueCollection Rows(IReadOnlyList<Record> batch, Dictionary<string, int> versions)
    {
        var known = versions.Keys.ToHashSet();
        var rows = new Dictionary<string, OrderViewRow>();
        foreach (var record in batch.Where(record => versions.TakeNew(record, Name, _log)))
        {
            rows[record.Key] = OrderViewRow.Of(record, rows.GetValueOrDefault(record.Key), known.Contains(record.Key));
        }
        return rows.Values;
    }
}
