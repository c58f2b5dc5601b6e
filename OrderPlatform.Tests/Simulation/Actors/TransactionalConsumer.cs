using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>
/// A consumer whose effects are in PostgreSQL, in one transaction with its progress (Consuming/PostgresProgress). Two replicas
/// may hold the same partitions for a while: the one whose progress was moved by the other starts over.
/// </summary>
internal abstract class TransactionalConsumer(World world, string consumer, string replica, params IReadOnlyList<string> topics) : Actor(world, replica)
{
    private const int MaxBatch = 4;

    /// <summary>Its name in the table of progress, the same in all replicas.</summary>
    protected string Consumer => consumer;

    private readonly IReadOnlyList<Partition> _partitions = world.Kafka.PartitionsOf(topics);

    /// <summary>The key of a partition's row in the table of progress.</summary>
    public static string ProgressOf(string consumer, Partition partition) => $"{consumer} {partition.Name}";

    protected override IEnumerable<Turn> Run()
    {
        var progress = _partitions.ToDictionary(partition => partition, partition => World.Progress.Find(ProgressOf(consumer, partition)));
        while (true)
        {
            var (batch, moved) = Feed.Collect(World.Random, progress, MaxBatch);
            if (batch.Count == 0)
            {
                yield return Turn.Idle;
                continue;
            }
            yield return Turn.Did;
            var transaction = World.Postgres.Begin();
            try
            {
                foreach (var (partition, next) in moved)
                {
                    var key = ProgressOf(consumer, partition);
                    while (!transaction.TryLock(World.Progress, key))
                    {
                        yield return Turn.Idle;
                    }
                    if (transaction.Get(World.Progress, key) != progress[partition])
                    {
                        Trace?.Say(Name, "finds its progress moved by another, and starts over");
                        yield break;
                    }
                    transaction.Set(World.Progress, key, next);
                }
                if (World.Bug == Bug.ProgressBeforeEffect)
                {
                    transaction.Commit();
                    yield return Turn.Did;
                    transaction = World.Postgres.Begin();
                }
                foreach (var turn in Write(transaction, batch))
                {
                    yield return turn;
                }
                yield return Turn.Did;
                transaction.Commit();
            }
            finally
            {
                transaction.Dispose();
            }
            Trace?.Say(Name, $"has taken {string.Join(", ", batch)}");
            yield return Turn.Did;
            foreach (var (partition, next) in moved)
            {
                progress[partition] = next;
            }
        }
    }

    /// <summary>Writes the effects of a batch, step by step.</summary>
    protected abstract IEnumerable<Turn> Write(Transaction transaction, IReadOnlyList<KafkaRecord> batch);
}
