using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>
/// order.events -> orders_analytics: one signed fact for each event, in order, at least once. It needs no state, since the
/// events carry their differences. Its store is Kafka itself, so its progress is the group's offsets, committed after the
/// facts are acknowledged; who reads the facts drops repeats by their sequence.
/// </summary>
public sealed class AnalyticsTransformer(IConfiguration configuration) : ISink, IDisposable
{
    private IProducer<byte[], byte[]>? _producer;

    /// <inheritdoc />
    public string Name => "analytics-transformer";

    /// <inheritdoc />
    public string? Store => null;

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    /// <inheritdoc />
    public int MaxBatch => 4000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(10);

    /// <inheritdoc />
    public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation) =>
        Task.FromResult<IReadOnlyDictionary<TopicPartition, long>>(partitions.ToDictionary(partition => partition, _ => Offset.Stored.Value));

    /// <inheritdoc />
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var messages = batch.Select(FactOf).ToList();
        var producer = _producer ??= Producer();
        try
        {
            await Task.WhenAll(messages.Select(message => producer.ProduceAsync(Contracts.Topics.OrdersAnalytics, message, CancellationToken.None))).WaitAsync(cancellation);
        }
        catch (KafkaException)
        {
            // what it still holds must not come after the next try, which brings the whole batch again
            producer.Dispose();
            _producer = null;
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _producer?.Dispose();

    // no time-out: a fact that failed while later ones of its order went through would be a gap
    private IProducer<byte[], byte[]> Producer() => KafkaClients.Producer(configuration.Required(Connections.Kafka), config =>
    {
        config.LingerMs = 1;
        config.MessageTimeoutMs = 0;
        config.CompressionType = CompressionType.Lz4;
    });

    private static Message<byte[], byte[]> FactOf(Record record)
    {
        var type = EventTypes.Of<SalesFact>();
        return new Message<byte[], byte[]>
        {
            Key = Encoding.UTF8.GetBytes(record.Key),
            Value = JsonSerializer.SerializeToUtf8Bytes(SalesFact.Of(record.Read<OrderEvent>()), PlatformJson.Options),
            // the id is made from what the fact is made from: a repeat has the same one
            Headers = EnvelopeHeaders.Of($"{record.Key}/{record.Sequence}", type.Name, type.Aggregate, record.Key, record.Sequence, record.OccurredAt, record.RecordedAt, record.TraceParent),
        };
    }
}
