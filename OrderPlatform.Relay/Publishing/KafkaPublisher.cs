using System.Text;
using Confluent.Kafka;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Relay.Publishing;

/// <summary>Kafka refuses one event for what it is (its size, its form); nothing is wrong with the others.</summary>
public sealed class EventRefusedException(LoggedEvent refused, string reason) : Exception(reason)
{
    /// <summary>The event.</summary>
    public LoggedEvent Refused => refused;
}

/// <summary>
/// One producer for one ownership: idempotent, acks=all, without a time-out, so that while Kafka is away events wait in
/// order instead of failing. It is disposed with the ownership; what was not acknowledged is read and sent again.
/// </summary>
public sealed class KafkaPublisher : IDisposable
{
    private readonly IProducer<byte[], byte[]> _producer;
    private readonly int _maxEventBytes;

    /// <param name="bootstrapServers">host:port[,host:port].</param>
    /// <param name="maxEventBytes">Larger events are refused without being sent.</param>
    public KafkaPublisher(string bootstrapServers, int maxEventBytes)
    {
        _maxEventBytes = maxEventBytes;
        _producer = KafkaClients.Producer(bootstrapServers, config =>
        {
            config.LingerMs = 1;
            config.BatchSize = 512 * 1024;
            config.MessageTimeoutMs = 0;
            config.QueueBufferingMaxMessages = 100_000;
            config.CompressionType = CompressionType.Lz4;
        });
    }

    /// <summary>Publishes events in order and returns once all are acknowledged.</summary>
    /// <exception cref="EventRefusedException">The first event that Kafka refuses for what it is. Others of the batch may be published.</exception>
    /// <exception cref="KafkaException">Anything else: the producer is of no use any more.</exception>
    public async Task PublishAsync(IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var batch = new AcknowledgedBatch(events);
        for (var i = 0; i < events.Count; i++)
        {
            var message = Message(events[i]);
            if (SizeOf(message) > _maxEventBytes)
            {
                throw new EventRefusedException(events[i], $"The event has {SizeOf(message)} bytes; Relay:MaxEventBytes allows {_maxEventBytes}.");
            }
            _producer.Produce(events[i].Topic, message, batch.HandlerOf(i));
        }
        await batch.Acknowledged.WaitAsync(cancellation);
    }

    /// <inheritdoc />
    public void Dispose() => _producer.Dispose();

    /// <summary>The envelope that an event is published in.</summary>
    public static Headers HeadersOf(LoggedEvent logged) => EnvelopeHeaders.Of(
        logged.EventId.ToString("D"), logged.Type, aggregate: logged.Stream[..logged.Stream.IndexOf('/')], logged.Key, logged.Sequence, logged.OccurredAt, logged.RecordedAt, logged.TraceParent);

    private static Message<byte[], byte[]> Message(LoggedEvent logged) => new() { Key = Encoding.UTF8.GetBytes(logged.Key), Value = logged.Payload, Headers = HeadersOf(logged) };

    private static int SizeOf(Message<byte[], byte[]> message) =>
        message.Key.Length + message.Value.Length + message.Headers.Sum(header => header.Key.Length + header.GetValueBytes().Length);

    /// <summary>Counts the acknowledgements of a batch; the first failure ends the wait.</summary>
    private sealed class AcknowledgedBatch
    {
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly IReadOnlyList<LoggedEvent> _events;
        private int _open;

        public AcknowledgedBatch(IReadOnlyList<LoggedEvent> events)
        {
            _events = events;
            _open = events.Count;
            if (_open == 0)
            {
                _all.SetResult();
            }
        }

        public Task Acknowledged => _all.Task;

        public Action<DeliveryReport<byte[], byte[]>> HandlerOf(int index) => report =>
        {
            if (report.Error.IsError)
            {
                _all.TrySetException(report.Error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidRecord or ErrorCode.InvalidMsg
                    ? new EventRefusedException(_events[index], report.Error.Reason)
                    : new KafkaException(report.Error));
            }
            else if (Interlocked.Decrement(ref _open) == 0)
            {
                _all.TrySetResult();
            }
        };
    }
}
