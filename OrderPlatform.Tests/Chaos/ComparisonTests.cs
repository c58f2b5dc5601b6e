using OrderPlatform.Bench.Chaos;

namespace OrderPlatform.Tests.Chaos;

/// <summary>A checker that cannot say no proves nothing.</summary>
public sealed class ComparisonTests
{
    private static readonly StoredOrder[] Source =
    [
        new("a", 3, "Delivered", 12.50m, 3),
        new("b", 2, "Cancelled", 0m, 2),
        new("c", 1, "Pending", 7m, 1),
    ];

    private static readonly Promise[] Log =
    [
        new("a", 1, "Pending", 12.50m), new("a", 2, "Confirmed", 12.50m), new("a", 3, "Delivered", 12.50m),
        new("b", 1, "Pending", 5m), new("b", 2, "Cancelled", 5m),
    ];

    private static readonly Promise[] Promises = [new("a", 1, "Pending", 12.50m), new("b", 1, "Pending", 5m), new("b", 2, "Cancelled", 5m)];

    [Fact]
    public void What_agrees_has_no_difference()
    {
        Comparison.OfStore("store", Source, Source).ShouldBeEmpty();
        Comparison.OfStore("store", Source, [.. Source.Select(order => order with { Amount = null })]).ShouldBeEmpty();
        Comparison.OfPromises(Promises, Log).ShouldBeEmpty();
        Comparison.OfSums("view", (2, 19.50m), (2, 19.50m)).ShouldBeEmpty();
    }

    [Fact]
    public void An_order_that_a_store_does_not_have_is_lost() =>
        Only(Comparison.OfStore("store", Source, Source[1..])).ShouldBe((DifferenceKind.Lost, "a"));

    [Fact]
    public void An_order_that_a_store_has_twice_is_doubled() =>
        Only(Comparison.OfStore("store", Source, [.. Source, Source[2]])).ShouldBe((DifferenceKind.Doubled, "c"));

    [Fact]
    public void An_order_that_nobody_placed_is_doubled() =>
        Only(Comparison.OfStore("store", Source, [.. Source, Source[2] with { Id = "d" }])).ShouldBe((DifferenceKind.Doubled, "d"));

    [Theory]
    [InlineData(2, 3, DifferenceKind.Lost)] // one event too few, though the last one is there
    [InlineData(4, 3, DifferenceKind.Doubled)] // one event counted twice
    [InlineData(3, 2, DifferenceKind.Lost)] // the last event has not come
    [InlineData(3, 4, DifferenceKind.Doubled)] // a later event that the source does not have
    internal void Each_event_is_in_a_store_once(long events, int version, DifferenceKind kind) =>
        Only(Comparison.OfStore("store", Source, [Source[0] with { Events = events, Version = version }, .. Source[1..]])).ShouldBe((kind, "a"));

    [Fact]
    public void Another_status_or_money_is_altered()
    {
        Only(Comparison.OfStore("store", Source, [Source[0] with { Amount = 12.51m }, .. Source[1..]])).ShouldBe((DifferenceKind.Altered, "a"));
        Only(Comparison.OfStore("store", Source, [Source[0] with { Status = "Shipped" }, .. Source[1..]])).ShouldBe((DifferenceKind.Altered, "a"));
    }

    [Fact]
    public void An_answer_without_its_event_is_lost() =>
        Only(Comparison.OfPromises(Promises, [.. Log.Where(logged => logged != Promises[2])])).ShouldBe((DifferenceKind.Lost, "b"));

    [Fact]
    public void An_answer_whose_event_says_something_else_is_altered() =>
        Only(Comparison.OfPromises([Promises[0] with { Amount = 12.49m }, .. Promises[1..]], Log)).ShouldBe((DifferenceKind.Altered, "a"));

    [Fact]
    public void A_second_order_for_one_request_is_doubled() =>
        Only(Comparison.OfPromises(Promises, [.. Log, new Promise("a2", 1, "Pending", 12.50m)])).ShouldBe((DifferenceKind.Doubled, "a2"));

    [Fact]
    public void An_event_that_is_logged_twice_is_doubled() =>
        Only(Comparison.OfPromises(Promises, [.. Log, Log[1]])).ShouldBe((DifferenceKind.Doubled, "a"));

    [Theory]
    [InlineData(1, DifferenceKind.Lost)]
    [InlineData(3, DifferenceKind.Doubled)]
    [InlineData(2, DifferenceKind.Altered)]
    internal void Sums_must_be_equal_to_the_cent(long orders, DifferenceKind kind) =>
        Comparison.OfSums("view", (2, 19.50m), (orders, 19.51m)).ShouldHaveSingleItem().Kind.ShouldBe(kind);

    private static (DifferenceKind Kind, string What) Only(IEnumerable<Difference> differences) =>
        differences.ShouldHaveSingleItem() is var difference ? (difference.Kind, difference.What) : default;
}
