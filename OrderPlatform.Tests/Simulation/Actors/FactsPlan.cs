using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>sales_facts_plan: where the writing stands (SalesFacts/Plan).</summary>
internal sealed record FactsPlan(int Generation, long Number, long Facts, PendingInsert? Pending, DateTimeOffset RecordedAt)
{
    public static FactsPlan Beginning { get; } = new(1, 0, 0, null, World.Beginning);

    public string Token => $"{Generation}-{Number}";
}

/// <summary>What is going to change in ClickHouse: an insert, or the emptying that a rebuild begins with.</summary>
/// <param name="Facts">The planned records without the repeats; null for a rebuild.</param>
internal sealed record PendingInsert(IReadOnlyList<KafkaRecord>? Facts)
{
    public int Count => Facts?.Count ?? 0;
}
