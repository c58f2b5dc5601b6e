using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>order.events -> orders_analytics (SalesFacts/AnalyticsTransformer): its progress is the group's offsets in Kafka, committed after the facts are acknowledged.</summary>
internal sealed class Transformer(World world) : Actor(world, "transformer")
{
    private const int MaxBatch = 4;

    private readonly IReadOnlyList<Partition> _partitions = world.Kafka.PartitionsOf([Topics.OrderEvents]);

    /// <summary>The group's committed offsets.</summary>
    public Dictionary<Partition, long> Committed { get; } = world.Kafka.PartitionsOf([Topics.OrderEvents]).ToDictionary(partition => partition, _ => 0L);

    protected override IEnumerable<Turn> Run()
    {
        var progress = _partitions.ToDictionary(partition => partition, partition => Committed[partition]);
        using var producer = World.Kafka.NewProducer();
        while (true)
        {
            var (batch, moved) = Feed.Collect(World.Random, progress, MaxBatch);
            if (batch.Count == 0)
            {
                yield return Turn.Idle;
                continue;
            }
            yield return Turn.Did;
            if (World.Bug == Bug.OffsetsBeforeAcknowledgement)
            {
                Commit(moved);
                yield return Turn.Did;
            }
            foreach (var record in batch)
            {
                producer.Send(Topics.OrdersAnalytics, new KafkaRecord("sales/" + record.Key, record.Key, record.Sequence, SalesFact.Of((OrderEvent)record.Event)));
            }
            while (producer.InFlight > 0 && !producer.HasFailed)
            {
                yield return Turn.Idle;
            }
            if (producer.HasFailed)
            {
                yield break;
            }
            yield return Turn.Did;
            Commit(moved);
            foreach (var (partition, next) in moved)
            {
                progress[partition] = next;
            }
        }
    }

    private void Commit(IReadOnlyDictionary<Partition, long> moved)
    {
        foreach (var (partition, next) in moved)
        {
            Committed[partition] = next;
        }
    }
}
