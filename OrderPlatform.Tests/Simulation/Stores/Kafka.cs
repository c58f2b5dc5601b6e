using OrderPlatform.Contracts;

namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>A record of a topic; its offset is its place in the partition.</summary>
internal sealed record KafkaRecord(string Stream, string Key, int Sequence, object Event)
{
    /// <summary>The event's id: unique, and the same in every repeat.</summary>
    public string Id => $"{Stream}#{Sequence}";

    public override string ToString() => $"{Event.GetType().Name} {Id}";
}

/// <summary>One partition: records in the order of their arrival.</summary>
internal sealed class Partition(string topic, int number)
{
    public string Topic => topic;

    public List<KafkaRecord> Records { get; } = [];

    public string Name { get; } = $"{topic}[{number}]";
}

/// <summary>
/// Kafka: a producer's records reach a partition in their order, those of different partitions in any. An acknowledgement may be
/// lost, and what was sent may arrive after its sender's death.
/// </summary>
internal sealed class Kafka(World world) : Actor(world, "kafka")
{
    private const int PartitionsOfTopic = 2;

    private readonly List<Producer> _producers = [];
    private readonly Dictionary<string, Partition[]> _topics = new[] { Topics.OrderEvents, Topics.InventoryEvents, Topics.PaymentEvents, Topics.ShippingEvents, Topics.OrdersAnalytics }
        .ToDictionary(topic => topic, topic => Enumerable.Range(0, PartitionsOfTopic).Select(number => new Partition(topic, number)).ToArray());

    public IEnumerable<Partition> Partitions => _topics.Values.SelectMany(partitions => partitions);

    public IReadOnlyList<Partition> PartitionsOf(IEnumerable<string> topics) => [.. topics.SelectMany(topic => _topics[topic])];

    /// <summary>Where a key's records go.</summary>
    public Partition PartitionOf(string topic, string key) => _topics[topic][key.Sum(character => character) % PartitionsOfTopic];

    public Producer NewProducer()
    {
        var producer = new Producer(this);
        _producers.Add(producer);
        return producer;
    }

    /// <summary>An older checkpoint is published from, or a topic again: some records in a row come once more.</summary>
    public void RepeatSome()
    {
        if (Partitions.Where(partition => partition.Records.Count > 0).ToList() is { Count: > 0 } partitions)
        {
            var partition = partitions[World.Random.Next(partitions.Count)];
            var first = World.Random.Next(partition.Records.Count);
            var repeated = partition.Records.Skip(first).Take(1 + World.Random.Next(6)).ToList();
            Trace?.Say(Name, $"REPEATS {repeated.Count} records of {partition.Name} from offset {first}");
            partition.Records.AddRange(repeated);
        }
    }

    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            if (!_producers.Exists(producer => producer.InFlight > 0))
            {
                _producers.RemoveAll(producer => producer.IsGone);
                yield return Turn.Idle;
                continue;
            }
            var sending = _producers.Where(producer => producer.InFlight > 0).ToList();
            Take(sending[World.Random.Next(sending.Count)]);
            yield return Turn.Did;
        }
    }

    private void Take(Producer producer)
    {
        var (partition, record) = producer.Next(World.Random);
        World.Promises.Published(partition, record);
        partition.Records.Add(record);
        Trace?.Say(Name, $"takes {record} as {partition.Name}@{partition.Records.Count - 1}");
        if (World.Strikes(Faults.AcknowledgementLost))
        {
            Trace?.Say(Name, "LOSES that acknowledgement");
            producer.HasFailed = true;
        }
    }

    /// <summary>One producer, until it is disposed.</summary>
    internal sealed class Producer(Kafka kafka) : IDisposable
    {
        private readonly Dictionary<Partition, Queue<KafkaRecord>> _sent = [];

        /// <summary>Records that are on their way.</summary>
        public int InFlight { get; private set; }

        /// <summary>A delivery was not acknowledged: whether it has arrived is not known.</summary>
        public bool HasFailed { get; set; }

        /// <summary>Disposed, and nothing of it is under way any more.</summary>
        public bool IsGone { get; private set; }

        public void Send(string topic, KafkaRecord record)
        {
            var partition = kafka.PartitionOf(topic, record.Key);
            if (!_sent.TryGetValue(partition, out var queue))
            {
                _sent[partition] = queue = [];
            }
            queue.Enqueue(record);
            InFlight++;
        }

        /// <summary>Whether a record that was sent is acknowledged, unless <see cref="HasFailed"/> says that something is not.</summary>
        public bool HasTaken(KafkaRecord record) => !_sent.Values.Any(queue => queue.Contains(record));

        /// <summary>What is under way is lost, or a beginning of it arrives later.</summary>
        public void Dispose()
        {
            (IsGone, InFlight) = (true, 0);
            foreach (var (partition, queue) in _sent)
            {
                var arriving = kafka.World.Strikes(Faults.ArrivesLate) ? kafka.World.Random.Next(queue.Count + 1) : 0;
                _sent[partition] = new Queue<KafkaRecord>(queue.Take(arriving));
                InFlight += arriving;
            }
        }

        internal (Partition Partition, KafkaRecord Record) Next(Random random)
        {
            var queues = _sent.Where(queue => queue.Value.Count > 0).ToList();
            var (partition, records) = queues[random.Next(queues.Count)];
            InFlight--;
            return (partition, records.Dequeue());
        }
    }
}
