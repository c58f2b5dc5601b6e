using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>order.events -> Redis (Rankings/RankingsProjection, RankingScripts, decision 6): a script keeps its plan before it writes, and the last command moves the offsets.</summary>
internal sealed class RankingsSink(World world, string replica) : Actor(world, replica)
{
    private const int MaxBatch = 4;

    private readonly IReadOnlyList<Partition> _partitions = world.Kafka.PartitionsOf([Topics.OrderEvents]);

    private Redis Redis => World.Redis;

    protected override IEnumerable<Turn> Run()
    {
        if (Redis.Plan is { } plan && !Redis.Run([.. plan]))
        {
            yield break;
        }
        Redis.Generation ??= Redis.NewGeneration();
        var generation = Redis.Generation;
        var progress = _partitions.ToDictionary(partition => partition, partition => Redis.Offsets.GetValueOrDefault(partition));
        yield return Turn.Did;
        while (true)
        {
            var (batch, moved) = Feed.Collect(World.Random, progress, MaxBatch);
            if (batch.Count == 0)
            {
                yield return Turn.Idle;
                // an emptied store is noticed while nothing happens
                if (Redis.Generation != generation)
                {
                    yield break;
                }
                continue;
            }
            var isAnswered = false;
            while (!isAnswered)
            {
                yield return Turn.Did;
                var sequences = new Dictionary<string, int>(Redis.Sequences);
                yield return Turn.Did;
                if (!IsWhereItWasLeft(generation, progress, moved, out var isDone))
                {
                    Trace?.Say(Name, "finds Redis elsewhere, and starts over");
                    yield break;
                }
                isAnswered = isDone || Write(batch.Where(record => IsTaken(sequences, record)), moved);
            }
            yield return Turn.Did;
            foreach (var (partition, next) in moved)
            {
                progress[partition] = next;
            }
        }
    }

    private bool IsTaken(Dictionary<string, int> sequences, KafkaRecord record) => sequences.TakeNew(record.Key, record.Sequence, out _) || World.Bug == Bug.RepeatsTaken;

    // the first lines of the script: generation, plan and offsets; a batch that is in already is left alone
    private bool IsWhereItWasLeft(string generation, Dictionary<Partition, long> progress, IReadOnlyDictionary<Partition, long> moved, out bool isDone)
    {
        isDone = Redis.Generation == generation && moved.All(partition => Redis.Offsets.GetValueOrDefault(partition.Key) == partition.Value);
        return Redis.Generation == generation && Redis.Plan is null
            && (isDone || moved.Keys.All(partition => Redis.Offsets.GetValueOrDefault(partition) == progress[partition]));
    }

    private bool Write(IEnumerable<KafkaRecord> records, IReadOnlyDictionary<Partition, long> moved)
    {
        var changes = new RankingChanges(DateOnly.FromDateTime(World.Beginning.UtcDateTime));
        var commands = new List<Action>();
        foreach (var record in records.ToList())
        {
            changes.Add((OrderEvent)record.Event);
            commands.Add(() => Redis.Sequences[record.Key] = record.Sequence);
        }
        foreach (var (ranking, change) in changes.Rankings.SelectMany(ranking => ranking.Value.Select(change => ($"{ranking.Key.Kind} {ranking.Key.Window} {change.Key}", change.Value))))
        {
            var before = Redis.Rankings.GetValueOrDefault(ranking);
            commands.Add(() => Redis.Rankings[ranking] = (before.Cents + change.Cents, before.Orders + change.Orders));
        }
        commands.Add(() =>
        {
            Redis.Plan = null;
            moved.ToList().ForEach(partition => Redis.Offsets[partition.Key] = partition.Value);
        });
        Trace?.Say(Name, $"runs its script over {string.Join(", ", moved.Select(partition => $"{partition.Key.Name} to {partition.Value}"))}");
        return Redis.Run(World.Bug == Bug.ScriptWithoutPlan ? commands : [() => Redis.Plan = commands, .. commands]);
    }
}
