using Confluent.Kafka;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Relay.Tables;

/// <summary>One producer for one ownership, idempotent and without a time-out: while Kafka is away changes wait in order instead of failing.</summary>
/// <param name="bootstrapServers">host:port[,host:port].</param>
internal sealed class TablePublisher(string bootstrapServers) : IDisposable
{
    private const int Piece = 10_000; // the producer's own queue holds 100,000

    private readonly IProducer<byte[], byte[]> _producer = KafkaClients.Producer(bootstrapServers, config =>
    {
        config.LingerMs = 1;
        config.MessageTimeoutMs = 0;
        config.CompressionType = CompressionType.Lz4;
    });

    /// <summary>Publishes in order and returns once all are acknowledged.</summary>
    /// <exception cref="InvalidOperationException">Kafka refuses a record for its size.</exception>
    /// <exception cref="KafkaException">Anything else: the producer is of no use any more.</exception>
    public async Task PublishAsync(IReadOnlyList<TableRecord> records, CancellationToken cancellation)
    {
        foreach (var piece in records.Chunk(Piece))
        {
            await Task.WhenAll(piece.Select(ProduceAsync)).WaitAsync(cancellation);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _producer.Dispose();

    private async Task ProduceAsync(TableRecord record)
    {
        try
        {
            await _producer.ProduceAsync(record.Topic, record.Message, CancellationToken.None);
        }
        catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.MsgSizeTooLarge)
        {
            throw new InvalidOperationException($"A row of {record.Topic} makes a record of {record.Message.Value.Length} bytes, which Kafka refuses: raise max.message.bytes of the topic. The changes of tables wait for it.", e);
        }
    }
}
