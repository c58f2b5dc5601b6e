namespace OrderPlatform.Tests.Projections.SalesFacts;

/// <summary>A fact that ClickHouse cannot take stops no other one, although an insert that was planned must be finished.</summary>
public sealed class SalesFactsDeadLetterTests(EngineFixture engines)
{
    [Fact]
    public async Task Facts_that_ClickHouse_refuses_are_parked_and_all_others_are_counted_once()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "poison");
        var facts = Facts.OfOrders(0, 60);
        var poison = Facts.OfOrders(1000, 1).Select(fact => (fact.Fact with { Amount = 1e20m }, fact.Sequence)).ToList();
        await store.PublishAsync([.. facts.Take(30), .. poison, .. facts.Skip(30)]);

        await store.CatchUpAsync();

        (await store.TotalsAsync()).ShouldBe(SalesFactsStore.TotalsOf([.. facts.Select(fact => fact.Fact)]));
        (await store.LettersAsync()).ShouldBe("failed waiting");
        store.Warnings.ShouldBeEmpty();
    }
}
