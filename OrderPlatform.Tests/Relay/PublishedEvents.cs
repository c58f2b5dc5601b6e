using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Relay;

/// <summary>Reads order.events from its beginning, as a consumer that nobody here wrote.</summary>
internal sealed class PublishedEvents : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(40);

    private readonly IConsumer<string, byte[]> _consumer;
    private readonly List<ConsumeResult<string, byte[]>> _read = [];

    public PublishedEvents(string kafka)
    {
        _consumer = new ConsumerBuilder<string, byte[]>(new ConsumerConfig { BootstrapServers = kafka, GroupId = Guid.NewGuid().ToString(), AutoOffsetReset = AutoOffsetReset.Earliest, EnableAutoCommit = false }).Build();
        _consumer.Assign(Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartitionOffset(Topics.OrderEvents, partition, Offset.Beginning)));
    }

    public IReadOnlyList<ConsumeResult<string, byte[]>> All => _read;

    /// <summary>Reads on until the condition holds on the sequences read of each key. It is asked at the end of what is there; as long as more comes, it is waited for.</summary>
    public void Until(Func<ILookup<string, int>, bool> condition)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (true)
        {
            if (_consumer.Consume(TimeSpan.FromMilliseconds(100)) is { } consumed)
            {
                _read.Add(consumed);
                since = System.Diagnostics.Stopwatch.GetTimestamp();
            }
            else if (condition(Sequences()))
            {
                return;
            }
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{_read.Count} records were read");
        }
    }

    /// <summary>Reads a number of records, fewer when <paramref name="unless"/> has ended.</summary>
    public void More(int records, Task unless)
    {
        for (var goal = _read.Count + records; _read.Count < goal && !unless.IsCompleted;)
        {
            if (_consumer.Consume(TimeSpan.FromMilliseconds(100)) is { } consumed)
            {
                _read.Add(consumed);
            }
        }
    }

    /// <summary>The sequences of each key in the order in which they stand in Kafka, repeats included.</summary>
    public ILookup<string, int> Sequences() => _read.ToLookup(record => record.Message.Key, record => int.Parse(Header(record, Envelope.Sequence)));

    /// <summary>Each key's sequences without repeats: what a consumer that follows the rule sees.</summary>
    public Dictionary<string, List<int>> WithoutRepeats()
    {
        var seen = new Dictionary<string, List<int>>();
        foreach (var record in _read)
        {
            var sequence = int.Parse(Header(record, Envelope.Sequence));
            var of = seen.TryGetValue(record.Message.Key, out var list) ? list : seen[record.Message.Key] = [];
            if (of.Count == 0 || sequence > of[^1])
            {
                of.Add(sequence);
            }
        }
        return seen;
    }

    public static string Header(ConsumeResult<string, byte[]> record, string name) => Encoding.UTF8.GetString(record.Message.Headers.GetLastBytes(name));

    public void Dispose() => _consumer.Dispose();
}
