using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Bench.Chaos;

/// <summary>Reads order.events from its beginning for as long as the run lasts, repeats dropped by the rule that sinks follow.</summary>
internal sealed class KafkaWatch : IDisposable
{
    private readonly ConcurrentDictionary<string, StoredOrder> _orders = [];
    private readonly ConcurrentQueue<Difference> _gaps = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _reading;
    private long _repeats;

    public KafkaWatch(string bootstrapServers) =>
        _reading = Task.Factory.StartNew(() => Read(bootstrapServers), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Every order by the records read so far.</summary>
    public IReadOnlyDictionary<string, StoredOrder> Orders => _orders;

    /// <summary>Records that left out a sequence of their order.</summary>
    public IReadOnlyCollection<Difference> Gaps => _gaps;

    /// <summary>Records that were there before: normal after a crash.</summary>
    public long Repeats => Interlocked.Read(ref _repeats);

    /// <inheritdoc />
    public void Dispose()
    {
        _stopping.Cancel();
        _reading.Wait();
        _stopping.Dispose();
    }

    private void Read(string bootstrapServers)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = $"chaos-{Guid.NewGuid():N}",
            EnableAutoCommit = false,
            // what is measured is the platform, not how long this client waits before it looks again
            ReconnectBackoffMs = 20,
            ReconnectBackoffMaxMs = 200,
            FetchWaitMaxMs = 50,
            QueuedMaxMessagesKbytes = 16 * 1024,
        }).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
        consumer.Assign(Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartitionOffset(Topics.OrderEvents, partition, Offset.Beginning)));
        while (!_stopping.IsCancellationRequested)
        {
            if (Next(consumer) is { } consumed)
            {
                Take(Encoding.UTF8.GetString(consumed.Message.Key), consumed.Message);
            }
        }
    }

    private static ConsumeResult<byte[], byte[]>? Next(IConsumer<byte[], byte[]> consumer)
    {
        try
        {
            return consumer.Consume(TimeSpan.FromMilliseconds(50));
        }
        catch (ConsumeException)
        {
            return null; // the broker is away
        }
    }

    private void Take(string order, Message<byte[], byte[]> message)
    {
        var sequence = int.Parse(Encoding.ASCII.GetString(message.Headers.GetLastBytes(Envelope.Sequence)), System.Globalization.CultureInfo.InvariantCulture);
        var before = _orders.GetValueOrDefault(order);
        var expected = (before?.Version ?? 0) + 1;
        if (sequence < expected)
        {
            Interlocked.Increment(ref _repeats);
            return;
        }
        if (sequence > expected)
        {
            _gaps.Enqueue(new Difference("Kafka", DifferenceKind.Lost, order, $"sequence {expected}", $"sequence {sequence}"));
        }
        var happened = System.Text.Json.JsonElement.Parse(message.Value);
        _orders[order] = new StoredOrder(
            order, sequence, happened.GetProperty("newStatus").GetString()!, (before?.Amount ?? 0) + happened.GetProperty("amountDifference").GetDecimal(), (before?.Events ?? 0) + 1);
    }
}
