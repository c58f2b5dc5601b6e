using System.Text;
using Confluent.Kafka;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Relay.Publishing;

/// <summary>Kafka refuses one event for what it is (its size, its form); nothing is wrong with the others.</summary>
public sealed class EventRefusedException(string reason) : Exception(reason);

/// <summary>
/// One producer for one ownership: idempotent, acks=all, without a time-out, so that while Kafka is away events wait in
/// order instead of failing. It is disposed with the ownership; what was not acknowledged is read and sent again.
/// </summary>
/// <param name="bootstrapServers">host:port[,host:port].</param>
/// <param name="maxEventBytes">Larger events are refused without being sent.</param>
public sealed class KafkaPublisher(string bootstrapServers, int maxEventBytes) : IDisposable
{
    private static readonly TimeSpan FullQueuePoll = TimeSpan.FromMilliseconds(2);

    private IProducer<byte[], byte[]> _producer = NewProducer(bootstrapServers);

    /// <summary>A producer with the relay's settings.</summary>
    public static IProducer<byte[], byte[]> NewProducer(string bootstrapServers) => KafkaClients.Producer(bootstrapServers, config =>
    {
        config.LingerMs = 1;
        config.BatchSize = 512 * 1024;
        config.MessageTimeoutMs = 0;
        config.QueueBufferingMaxMessages = 100_000;
        config.CompressionType = CompressionType.Lz4;
        // Else, when the broker refuses an event, what is under way behind it is sent nevertheless: later events of its key would be there
        // before it is parked. With it the producer is at its end then.
        config.EnableGaplessGuarantee = true;
        // a report that carries the record back is a copy of all its headers
        config.DeliveryReportFields = "none";
    });

    /// <summary>Publishes events in order and returns once all are acknowledged.</summary>
    /// <inheritdoc cref="SendAsync" path="/exception"/>
    public async Task PublishAsync(IReadOnlyList<LoggedEvent> events, CancellationToken cancellation) =>
        await (await SendAsync(events, cancellation)).Acknowledged.WaitAsync(cancellation);

    /// <summary>Hands events over in order, to be sent; what is handed over next comes after them.</summary>
    /// <exception cref="EventRefusedException">Of <see cref="Delivery.Acknowledged"/>: Kafka refuses an event for what it is. Of the others some may be published; those behind one that is too large are not sent.</exception>
    /// <exception cref="KafkaException">Also of <see cref="Delivery.Acknowledged"/>, anything else: the producer is of no use any more.</exception>
    internal async Task<Delivery> SendAsync(IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var delivery = new Delivery(events.Count);
        foreach (var logged in events)
        {
            var message = MessageOf(logged);
            if (SizeOf(message) is var size && size > maxEventBytes)
            {
                delivery.Refuse($"The event has {size} bytes; Relay:MaxEventBytes allows {maxEventBytes}.");
                break;
            }
            while (!TrySend(logged.Topic, message, delivery))
            {
                await Task.Delay(FullQueuePoll, cancellation);
            }
        }
        return delivery;
    }

    /// <summary>Begins anew after a refusal by the broker, which ends a producer. What was under way has to be sent again.</summary>
    public void Renew()
    {
        _producer.Dispose();
        _producer = NewProducer(bootstrapServers);
    }

    /// <inheritdoc />
    public void Dispose() => _producer.Dispose();

    /// <summary>The record of an event.</summary>
    public static Message<byte[], byte[]> MessageOf(LoggedEvent logged) => new() { Key = Encoding.UTF8.GetBytes(logged.Key), Value = logged.Payload, Headers = HeadersOf(logged) };

    /// <summary>The envelope that an event is published in.</summary>
    public static Headers HeadersOf(LoggedEvent logged) => EnvelopeHeaders.Of(
        logged.EventId.ToString("D"), logged.Type, aggregate: logged.Stream[..logged.Stream.IndexOf('/')], logged.Key, logged.Sequence, logged.OccurredAt, logged.RecordedAt, logged.TraceParent);

    // the producer's queue has a bound: memory
    private bool TrySend(string topic, Message<byte[], byte[]> message, Delivery delivery)
    {
        try
        {
            _producer.Produce(topic, message, delivery.OnReport);
            return true;
        }
        catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
        {
            return false;
        }
    }

    private static int SizeOf(Message<byte[], byte[]> message)
    {
        var size = message.Key.Length + message.Value.Length;
        foreach (var header in message.Headers.BackingList)
        {
            size += header.Key.Length + header.GetValueBytes().Length;
        }
        return size;
    }
}
