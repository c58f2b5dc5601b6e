using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Projections.Auditing.Replay;

namespace OrderPlatform.Projections.Auditing;

/// <summary>One row of a ranking.</summary>
internal readonly record struct RankingValue(long Cents, long Orders)
{
    /// <inheritdoc />
    public override string ToString() => $"{Orders} orders of {Cents / 100m:F2}";
}

/// <summary>
/// What the rankings must be, summed from the orders as they stand, not from the differences that the projection books: an
/// error in those would be in both otherwise. Beside the orders it keeps each one's products, some 100 bytes.
/// </summary>
/// <param name="today">The UTC date.</param>
internal sealed class RankingsReference(DateOnly today)
{
    private readonly Dictionary<(string Kind, string Window), Dictionary<string, RankingValue>> _rankings = [];
    private readonly Dictionary<Guid, (string ProductId, long Cents)[]> _products = [];
    private readonly Dictionary<string, string> _names = [];

    /// <summary>The days that are asked for, the first one first.</summary>
    public DateOnly FirstDay { get; } = today.AddDays(1 - RankingKeys.MonthDays);

    /// <summary>The rankings that have rows.</summary>
    public IEnumerable<(string Kind, string Window)> Rankings => _rankings.Where(ranking => ranking.Value.Count > 0).Select(ranking => ranking.Key);

    /// <summary>The rows of a ranking, by id.</summary>
    public IReadOnlyDictionary<string, RankingValue> RowsOf((string Kind, string Window) ranking) =>
        _rankings.GetValueOrDefault(ranking) ?? (IReadOnlyDictionary<string, RankingValue>)System.Collections.Immutable.ImmutableDictionary<string, RankingValue>.Empty;

    /// <summary>An order has changed: what it counted for is taken back, what it counts for now is added.</summary>
    public void Change(Guid id, OrderState? before, OrderState after, OrderEvent happened)
    {
        if (before is { } was)
        {
            Book(id, was, sign: -1);
        }
        if (OrderState.ItemsOf(happened) is { } items)
        {
            _products[id] = [.. items.GroupBy(item => item.ProductId).Select(product => (Once(product.Key), product.Sum(item => OrderState.CentsOf(item.Amount))))];
        }
        Book(id, after, sign: 1);
    }

    private void Book(Guid id, OrderState order, int sign)
    {
        Add(RankingKeys.Statuses, RankingKeys.All, order.Status.ToString(), 0, sign);
        if (order.Status == OrderStatus.Cancelled)
        {
            return;
        }
        Add(RankingKeys.Totals, RankingKeys.Month(order.Day), order.Currency, sign * order.Cents, sign);
        string[] windows = order.Day >= FirstDay ? [RankingKeys.All, RankingKeys.Day(order.Day)] : [RankingKeys.All];
        foreach (var window in windows)
        {
            Add(RankingKeys.Totals, window, order.Currency, sign * order.Cents, sign);
            Add(RankingKeys.In(RankingKeys.Customers, order.Currency), window, order.CustomerId, sign * order.Cents, sign);
            foreach (var (productId, cents) in _products.GetValueOrDefault(id) ?? [])
            {
                Add(RankingKeys.In(RankingKeys.Products, order.Currency), window, productId, sign * cents, sign);
            }
        }
    }

    private void Add(string kind, string window, string id, long cents, int orders)
    {
        if (!_rankings.TryGetValue((kind, window), out var ranking))
        {
            _rankings[(kind, window)] = ranking = [];
        }
        var before = ranking.GetValueOrDefault(id);
        if (before.Orders + orders is var count and > 0)
        {
            ranking[id] = new RankingValue(before.Cents + cents, count);
        }
        else
        {
            ranking.Remove(id);
        }
    }

    private string Once(string name) => _names.TryGetValue(name, out var known) ? known : _names[name] = name;
}
