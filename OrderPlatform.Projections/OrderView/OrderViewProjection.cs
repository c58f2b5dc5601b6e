using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.OrderView;

/// <summary>order.events -> the order view, a database of its own for searching (CQRS).</summary>
public sealed class OrderViewProjection([FromKeyedServices(Connections.Views)] NpgsqlDataSource source, ILogger<OrderViewProjection> log) : ISink
{
    private const string NewRow =
        """
        INSERT INTO order_view (order_id, customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, total_amount = excluded.total_amount, version = excluded.version,
            items = CASE WHEN $11 THEN excluded.items ELSE order_view.items END,
            search_text = CASE WHEN $11 THEN excluded.search_text ELSE order_view.search_text END,
            updated_at = excluded.updated_at
        WHERE order_view.version < excluded.version
        """;

    private readonly Dictionary<TopicPartition, long> _progress = [];

    /// <inheritdoc />
    public string Name => "order-view";

    /// <inheritdoc />
    public string? Store => "order-view";

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    /// <inheritdoc />
    public int MaxBatch => 1000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(10);

    /// <inheritdoc />
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
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
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await PostgresProgress.MoveAsync(connection, Name, batch, moved, cancellation);
        var versions = await VersionsAsync(connection, batch, cancellation);
        await using var rows = new NpgsqlBatch(connection);
        foreach (var record in batch)
        {
            if (versions.TakeNew(record, Name, log))
            {
                rows.BatchCommands.Add(Row(record));
            }
        }
        if (rows.BatchCommands.Count > 0)
        {
            await rows.ExecuteNonQueryAsync(cancellation);
        }
        await transaction.CommitAsync(cancellation);
        foreach (var (partition, next) in moved)
        {
            _progress[partition] = next;
        }
    }

    private static async Task<Dictionary<string, int>> VersionsAsync(NpgsqlConnection connection, IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT order_id::text, version FROM order_view WHERE order_id = ANY ($1)", connection)
        {
            Parameters = { new() { Value = batch.Select(record => Guid.Parse(record.Key)).Distinct().ToArray() } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var versions = new Dictionary<string, int>();
        while (await reader.ReadAsync(cancellation))
        {
            versions[reader.GetString(0)] = reader.GetInt32(1);
        }
        return versions;
    }

    private static NpgsqlBatchCommand Row(Record record)
    {
        var happened = record.Read<OrderEvent>();
        var items = happened switch
        {
            OrderCreated created => created.Items,
            OrderImported imported => imported.Items,
            OrderItemsChanged changed => changed.Items,
            _ => null,
        };
        return new NpgsqlBatchCommand(NewRow)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = Guid.Parse(record.Key) },
                new NpgsqlParameter<string> { TypedValue = happened.CustomerId },
                new NpgsqlParameter<string> { TypedValue = happened.Currency },
                new NpgsqlParameter<string> { TypedValue = happened.NewStatus.ToString() },
                new NpgsqlParameter<decimal> { TypedValue = happened.TotalAmount },
                new NpgsqlParameter<int> { TypedValue = record.Sequence },
                new NpgsqlParameter<byte[]> { TypedValue = JsonSerializer.SerializeToUtf8Bytes(items ?? [], PlatformJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb },
                new NpgsqlParameter<DateTimeOffset> { TypedValue = happened.OrderedAt },
                new NpgsqlParameter<DateTimeOffset> { TypedValue = record.OccurredAt },
                new NpgsqlParameter<string> { TypedValue = SearchText(Guid.Parse(record.Key), happened.CustomerId, items ?? []) },
                new NpgsqlParameter<bool> { TypedValue = items is not null },
            },
        };
    }

    /// <summary>What an order is searched by.</summary>
    internal static string SearchText(Guid orderId, string customerId, IReadOnlyList<OrderItem> items) =>
        string.Join(' ', items.Select(item => item.ProductId).Distinct().Prepend(customerId).Prepend(orderId.ToString("D"))).ToLowerInvariant();
}
