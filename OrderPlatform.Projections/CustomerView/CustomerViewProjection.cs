using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.CustomerView;

/// <summary>cdc.public.customers -> the customer view, another service's own copy of customers. Personal fields stay ciphertext.</summary>
/// <remarks>
/// Each row keeps the place of its last change, and nothing at or before that changes it: what a relay repeats, or a stopped one
/// publishes late, takes nobody back.
/// </remarks>
public sealed class CustomerViewProjection([FromKeyedServices(Connections.Views)] NpgsqlDataSource source) : ISink
{
    /// <summary>Its name.</summary>
    public const string Projection = "customer-view";

    private readonly PostgresWrites _writes = new(source, Projection);

    /// <inheritdoc />
    public string Name => Projection;

    /// <inheritdoc />
    public string? Store => null;

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.CustomerRows];

    /// <inheritdoc />
    public int MaxBatch => 1000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(10);

    /// <inheritdoc />
    public Record Read(ConsumeResult<byte[], byte[]> consumed) => TableRecord.From(consumed);

    /// <inheritdoc />
    public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation) => _writes.ResumeAsync(partitions, cancellation);

    /// <inheritdoc />
    public Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var rows = new Dictionary<string, CustomerViewRow>();
        ChangePlace? truncated = null;
        foreach (var record in batch.Where(record => record.Value.Length > 0)) // a tombstone says nothing that its delete did not
        {
            var change = TableRecord.Of(record);
            if (change.Operation == "t")
            {
                truncated = truncated is { } earlier && !change.Place.IsBehind(earlier) ? earlier : change.Place;
                continue;
            }
            var row = CustomerViewRow.Of(record, change);
            if (!rows.TryGetValue(row.Id, out var other) || row.Place.IsBehind(other.Place))
            {
                rows[row.Id] = row;
            }
        }
        return _writes.WriteAsync(batch, connection => CustomerViewTable.WriteAsync(connection, [.. rows.Values], truncated, cancellation), cancellation);
    }
}
