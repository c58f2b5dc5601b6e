using System.Text.Json.Serialization;
using OrderPlatform.Consuming;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>
/// What is going to change in ClickHouse, recorded before it is done: an insert, said so exactly that anybody can repeat it,
/// the emptying that a rebuild from nothing begins with, or the swap that a rebuild beside the live facts ends with.
/// </summary>
/// <param name="Facts">Rows of the insert; else 0.</param>
/// <param name="Ranges">The records of the insert, by partition; else none.</param>
/// <param name="Shadow">The database whose tables take the place of the live ones; null when it is no swap.</param>
internal sealed record Plan(int Facts, IReadOnlyList<PlannedRange> Ranges, string? Shadow = null)
{
    /// <summary>Empties the tables.</summary>
    public static Plan Rebuild { get; } = new(0, []);

    /// <summary>Whether it empties the tables.</summary>
    [JsonIgnore]
    public bool IsRebuild => Ranges.Count == 0 && Shadow is null;

    /// <summary>Replaces the tables by those of a database.</summary>
    public static Plan Swap(string shadow) => new(0, [], shadow);

    /// <summary>Inserts all <paramref name="records"/> but the <paramref name="repeats"/>.</summary>
    /// <param name="records">In the order of partition and offset. An offset that is left out among them is a dead letter.</param>
    public static Plan Insert(IReadOnlyList<Record> records, IReadOnlySet<Record> repeats) => new(
        records.Count - repeats.Count,
        [.. records.GroupBy(record => record.Source.Partition.Value).Select(partition => Range(partition.Key, [.. partition], repeats))]);

    private static PlannedRange Range(int partition, IReadOnlyList<Record> records, IReadOnlySet<Record> repeats)
    {
        var (from, to) = (records[0].Source.Offset.Value, records[^1].Source.Offset.Value + 1);
        var inserted = records.Where(record => !repeats.Contains(record)).Select(record => record.Source.Offset.Value).ToHashSet();
        return new PlannedRange(partition, from, to, [.. LongRange(from, to).Where(offset => !inserted.Contains(offset))]);
    }

    private static IEnumerable<long> LongRange(long from, long to)
    {
        for (var offset = from; offset < to; offset++)
        {
            yield return offset;
        }
    }
}

/// <summary>Records of one partition, from (inclusive) to (exclusive), without the repeats and the dead letters among them.</summary>
/// <param name="Dropped">Offsets of these.</param>
internal sealed record PlannedRange(int Partition, long From, long To, IReadOnlyList<long> Dropped);

/// <summary>Where the writing to ClickHouse stands.</summary>
/// <param name="Generation">A new one for each rebuild, so that its tokens were never used before.</param>
/// <param name="Number">Of the last plan, finished or not.</param>
/// <param name="Facts">What ClickHouse holds of finished plans.</param>
/// <param name="Pending">The plan with that number, while it is not known to be done.</param>
/// <param name="PendingFor">How long it has been recorded.</param>
internal sealed record PlanState(Guid Generation, long Number, long Facts, Plan? Pending, TimeSpan PendingFor)
{
    /// <summary>The deduplication token of the plan's insert.</summary>
    public string Token => $"{Generation:N}-{Number}";
}
