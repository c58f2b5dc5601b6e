using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;

namespace OrderPlatform.Projections.Rankings;

/// <summary>What some events change of the rankings, summed up. It needs no state: the events carry the differences.</summary>
/// <param name="today">The UTC date.</param>
internal sealed class RankingChanges(DateOnly today)
{
    /// <summary>A day's rankings are kept for this long: the 30 that are asked for, and some for clocks and long transactions.</summary>
    private const int KeptDays = RankingKeys.MonthDays + 2;

    private readonly Dictionary<(string Kind, string Window), Dictionary<string, Change>> _changes = [];

    /// <summary>The changes of each ranking by id.</summary>
    public IReadOnlyDictionary<(string Kind, string Window), Dictionary<string, Change>> Rankings => _changes;

    /// <summary>Ids in all rankings.</summary>
    public int Entries { get; private set; }

    /// <summary>When a ranking of that window is no longer asked for; null: never.</summary>
    public static DateTimeOffset? ExpiryOf(string window) =>
        DateOnly.TryParseExact(window, "yyyy-MM-dd", out var day) ? new DateTimeOffset(day.AddDays(KeptDays), TimeOnly.MinValue, TimeSpan.Zero) : null;

    /// <summary>Books one event.</summary>
    public void Add(OrderEvent happened)
    {
        if (happened.OldStatus is { } before)
        {
            Add(RankingKeys.Statuses, RankingKeys.All, before.ToString(), new Change(0, -1));
        }
        Add(RankingKeys.Statuses, RankingKeys.All, happened.NewStatus.ToString(), new Change(0, 1));

        var date = DateOnly.FromDateTime(happened.OrderedAt.UtcDateTime);
        Book(happened, RankingKeys.All);
        Add(RankingKeys.Totals, RankingKeys.Month(date), happened.Currency, Total(happened));
        if (date.AddDays(KeptDays) > today)
        {
            Book(happened, RankingKeys.Day(date));
        }
    }

    private void Book(OrderEvent happened, string window)
    {
        var order = Total(happened);
        Add(RankingKeys.Totals, window, happened.Currency, order);
        Add(RankingKeys.In(RankingKeys.Customers, happened.Currency), window, happened.CustomerId, order);
        foreach (var product in happened.Products)
        {
            Add(RankingKeys.In(RankingKeys.Products, happened.Currency), window, product.ProductId, new Change(Cents(product.Amount), OrdersWith(happened, product)));
        }
    }

    private static Change Total(OrderEvent happened) => new(Cents(happened.AmountDifference), happened.OrdersDifference);

    // Lines have at least one piece: an order holds a product when it has pieces of it.
    private static int OrdersWith(OrderEvent happened, ProductDifference product)
    {
        var after = happened switch
        {
            OrderCreated created => Pieces(created.Items, product.ProductId),
            OrderImported imported => Pieces(imported.Items, product.ProductId),
            OrderItemsChanged changed => Pieces(changed.Items, product.ProductId),
            _ => 0, // cancelled: nothing of it counts any more
        };
        return (after > 0 ? 1 : 0) - (after - product.Quantity > 0 ? 1 : 0);
    }

    private static long Pieces(IReadOnlyList<OrderItem> items, string productId) =>
        items.Where(item => item.ProductId == productId).Sum(item => (long)item.Quantity);

    private static long Cents(decimal amount) => (long)(amount * 100);

    private void Add(string kind, string window, string id, Change change)
    {
        if (change == default)
        {
            return;
        }
        if (!_changes.TryGetValue((kind, window), out var ranking))
        {
            _changes[(kind, window)] = ranking = [];
        }
        if (!ranking.TryGetValue(id, out var sum))
        {
            Entries++;
        }
        ranking[id] = new Change(sum.Cents + change.Cents, sum.Orders + change.Orders);
    }

    /// <summary>More or less of one id's revenue and orders.</summary>
    internal readonly record struct Change(long Cents, int Orders);
}
