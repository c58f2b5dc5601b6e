using System.Globalization;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>What dead letters are published to: the dead-letter topic when they are parked, their own topic again when they are redriven.</summary>
internal sealed class DeadLetterTopics(IConfiguration configuration, TimeProvider clock) : IDisposable
{
    private const int MaxErrorBytes = 2000;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    private IProducer<byte[], byte[]>? _producer;

    /// <summary>Publishes a parked record as it came, with what is to be known of it in further headers.</summary>
    /// <exception cref="KafkaException">Kafka cannot take it, now (it is sent again) or for its size.</exception>
    public Task PublishParkedAsync(ArrivedRecord record, string consumer, string error, int attempts, CancellationToken cancellation)
    {
        var headers = new Headers();
        foreach (var header in record.Consumed.Message.Headers)
        {
            headers.Add(header);
        }
        void Add(string name, string value) => headers.Add(name, Encoding.UTF8.GetBytes(value));
        Add(DeadLetterHeaders.Consumer, consumer);
        Add(DeadLetterHeaders.Error, error.Length > MaxErrorBytes ? error[..MaxErrorBytes] : error);
        Add(DeadLetterHeaders.Attempts, attempts.ToString(CultureInfo.InvariantCulture));
        Add(DeadLetterHeaders.Topic, record.Source.Topic);
        Add(DeadLetterHeaders.Partition, record.Source.Partition.Value.ToString(CultureInfo.InvariantCulture));
        Add(DeadLetterHeaders.Offset, record.Source.Offset.Value.ToString(CultureInfo.InvariantCulture));
        Add(DeadLetterHeaders.Time, UtcTime.Format(clock.GetUtcNow()));
        return PublishAsync(new TopicPartition(Topics.DeadLetters(record.Source.Topic), Partition.Any), Message(record.Consumed.Message.Key, headers, record.Consumed.Message.Value), cancellation);
    }

    /// <summary>Publishes a letter's copy to the partition that the letter came from.</summary>
    /// <exception cref="KafkaException">As above.</exception>
    public Task PublishCopyAsync(DueLetter letter, CancellationToken cancellation)
    {
        var headers = new Headers();
        foreach (var (name, value) in letter.Headers.Where(header => header.Name is not (Envelope.RedrivenFor or Envelope.DeadLetter)))
        {
            headers.Add(name, value);
        }
        headers.Add(Envelope.RedrivenFor, Encoding.UTF8.GetBytes(letter.Copy.Consumer));
        headers.Add(Envelope.DeadLetter, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{letter.Copy.Letter}/{letter.Copy.Redrive}")));
        return PublishAsync(letter.Partition, Message(letter.Key, headers, letter.Value), cancellation);
    }

    /// <inheritdoc />
    public void Dispose() => _producer?.Dispose();

    private async Task PublishAsync(TopicPartition to, Message<byte[], byte[]> message, CancellationToken cancellation)
    {
        var producer = _producer ??= KafkaClients.Producer(configuration.Required(Connections.Kafka), config =>
        {
            config.LingerMs = 0;
            config.MessageTimeoutMs = (int)Bound.TotalMilliseconds;
            config.CompressionType = CompressionType.Lz4;
        });
        try
        {
            await producer.ProduceAsync(to, message, CancellationToken.None).WaitAsync(cancellation);
        }
        catch (KafkaException e) when (!Poison.IsRefusal(e.Error))
        {
            // a copy that it still holds may come later: its number is out of date by then, or it is a repeat
            producer.Dispose();
            _producer = null;
            throw new KafkaException(new Error(e.Error.Code, $"{to.Topic} does not take a dead letter: {e.Error.Reason}. Is the topic there?"), e);
        }
    }

    private static Message<byte[], byte[]> Message(byte[]? key, Headers headers, byte[]? value) => new() { Key = key!, Value = value!, Headers = headers };
}
