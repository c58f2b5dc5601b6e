using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Projections.SalesFacts;

/// <summary>Facts as the transformer publishes them.</summary>
internal static class Facts
{
    /// <summary>Orders that are placed, changed and, every third, cancelled; some of 1997, some of amount 0.</summary>
    public static IReadOnlyList<(SalesFact Fact, int Sequence)> OfOrders(int first, int count) => [.. Enumerable.Range(first, count).SelectMany(OfOrder)];

    /// <summary>The first fact of one order, for tests that need many small batches.</summary>
    public static (SalesFact Fact, int Sequence) Placed(int order) => OfOrder(order).First();

    private static IEnumerable<(SalesFact Fact, int Sequence)> OfOrder(int order)
    {
        var amount = order % 5 == 0 ? 0m : order + 0.07m;
        yield return (Fact(order, 1, amount, 2, null, OrderStatus.Pending), 1);
        yield return (Fact(order, 0, -0.03m, 1, OrderStatus.Pending, OrderStatus.Pending), 2);
        if (order % 3 == 0)
        {
            yield return (Fact(order, -1, 0.03m - amount, -3, OrderStatus.Pending, OrderStatus.Cancelled), 3);
        }
    }

    private static SalesFact Fact(int order, int orders, decimal amount, int quantity, OrderStatus? before, OrderStatus after) => new()
    {
        OrderId = $"order '{order}' \\ of\ttoday",
        CustomerId = $"c-{order % 7}",
        Currency = order % 4 == 0 ? "EUR" : "USD",
        OrderedAt = order % 2 == 0 ? new DateTimeOffset(1997, 1, 1 + (order % 28), order % 24, 59, 59, TimeSpan.Zero) : new DateTimeOffset(2026, 2, 28, 23, 59, 59, TimeSpan.Zero),
        Orders = orders,
        Amount = amount,
        Products = amount == 0 ? [] : [new ProductDifference($"p-{order % 11}", quantity, amount - 1), new ProductDifference("p-all", 0, 1)],
        OldStatus = before,
        NewStatus = after,
    };
}
