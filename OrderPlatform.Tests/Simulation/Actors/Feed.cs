using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>What a consumer is given: the records of a partition in order, those of different partitions in any.</summary>
internal static class Feed
{
    private static readonly (IReadOnlyList<KafkaRecord>, IReadOnlyDictionary<Partition, long>) Nothing = ([], new Dictionary<Partition, long>());

    /// <summary>The next records.</summary>
    /// <param name="progress">The next offset of each partition.</param>
    /// <returns>The records, and where they take the partitions that have some.</returns>
    public static (IReadOnlyList<KafkaRecord> Batch, IReadOnlyDictionary<Partition, long> Moved) Collect(Random random, Dictionary<Partition, long> progress, int max)
    {
        var open = new List<Partition>();
        foreach (var (partition, next) in progress)
        {
            if (next < partition.Records.Count)
            {
                open.Add(partition);
            }
        }
        if (open.Count == 0)
        {
            return Nothing;
        }
        var batch = new List<KafkaRecord>();
        var moved = new Dictionary<Partition, long>();
        while (open.Count > 0 && batch.Count < max)
        {
            var partition = open[random.Next(open.Count)];
            var next = moved.TryGetValue(partition, out var offset) ? offset : progress[partition];
            batch.Add(partition.Records[(int)next]);
            moved[partition] = next + 1;
            if (next + 1 == partition.Records.Count)
            {
                open.Remove(partition);
            }
        }
        // who locks the rows of some partitions does so in one order
        return (batch, progress.Keys.Where(moved.ContainsKey).ToDictionary(partition => partition, partition => moved[partition]));
    }
}
