using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.OrderView;

/// <summary>order.events -> the order view, a database of its own for searching (CQRS).</summary>
public sealed class OrderViewProjection : ISink
{
    private readonly NpgsqlDataSource _source;
    private readonly ILogger _log;
    private readonly OrderViewTable _table;
    private readonly Dictionary<TopicPartition, long> _progress = [];

    /// <summary>The live one.</summary>
    public OrderViewProjection([FromKeyedServices(Connections.Views)] NpgsqlDataSource source, ILogger<OrderViewProjection> log)
        : this(source, log, RebuildableProjections.OrderView, new OrderViewTable(OrderViewTable.Live))
    {
    }

    /// <summary>One with a table and a progress of its own.</summary>
    internal OrderViewProjection(NpgsqlDataSource source, ILogger log, string name, OrderViewTable table)
    {
        (_source, _log, Name, _table) = (source, log, name, table);
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
    public TimeSpan Linger => TimeSpan.FromMilliseconds(10);

    /// <inheritdoc />
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        await using var connection = await _source.OpenConnectionAsync(cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, Name, cancellation);
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = progress.GetValueOrDefault(partition);
        }
        return _progress;
    }

    /// <inheritdoc />
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var moved = new Dictionary<TopicPartition, long>(_progress);
        await using var connection = await _source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await PostgresProgress.MoveAsync(connection, Name, batch, moved, cancellation);
        await _table.WriteAsync(connection, Rows(batch, await _table.VersionsAsync(connection, batch, cancellation)), cancellation);
        await transaction.CommitAsync(cancellation);
        foreach (var (partition, next) in moved)
        {
            _progress[partition] = next;
        }
    }

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
