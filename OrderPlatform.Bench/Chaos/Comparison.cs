using System.Globalization;

namespace OrderPlatform.Bench.Chaos;

/// <summary>What a store says of an order.</summary>
/// <param name="Version">Sequence of the last event that is in it.</param>
/// <param name="Amount">Money that counts: nothing when cancelled.</param>
/// <param name="Events">How many events are in it: as many as the version, when none is lost or doubled.</param>
internal sealed record StoredOrder(string Id, int Version, string Status, decimal? Amount, long Events);

/// <summary>What kind of promise a difference breaks.</summary>
internal enum DifferenceKind
{
    /// <summary>Something is missing.</summary>
    Lost,

    /// <summary>Something is there that must not be, or more often than it may.</summary>
    Doubled,

    /// <summary>It is there, and is something else.</summary>
    Altered,
}

/// <summary>One difference between a store and what it must hold.</summary>
internal sealed record Difference(string Store, DifferenceKind Kind, string What, string Expected, string Found);

/// <summary>Compares what was promised with the source, and the source with the stores. Pure.</summary>
internal static class Comparison
{
    /// <summary>What a store has against what the source says.</summary>
    /// <param name="store">Its name.</param>
    /// <param name="source">Every order, once.</param>
    /// <param name="derived">What the store has: an order twice is a doubled one. Null amounts are not compared.</param>
    public static IEnumerable<Difference> OfStore(string store, IReadOnlyCollection<StoredOrder> source, IReadOnlyCollection<StoredOrder> derived)
    {
        var found = derived.ToLookup(order => order.Id);
        foreach (var order in source)
        {
            switch (found[order.Id].ToList())
            {
                case []:
                    yield return new Difference(store, DifferenceKind.Lost, order.Id, Text(order), "nothing");
                    break;
                case [_, _, ..] several:
                    yield return new Difference(store, DifferenceKind.Doubled, order.Id, Text(order), $"{several.Count} rows");
                    break;
                case [var one] when one.Events != order.Events || one.Version != order.Version:
                    yield return new Difference(store, one.Events < order.Events || one.Version < order.Version ? DifferenceKind.Lost : DifferenceKind.Doubled, order.Id, Text(order), Text(one));
                    break;
                case [var one] when one.Status != order.Status || (one.Amount is not null && one.Amount != order.Amount):
                    yield return new Difference(store, DifferenceKind.Altered, order.Id, Text(order), Text(one));
                    break;
            }
        }
        var known = source.Select(order => order.Id).ToHashSet();
        foreach (var surplus in derived.Where(order => !known.Contains(order.Id)))
        {
            yield return new Difference(store, DifferenceKind.Doubled, surplus.Id, "nothing", Text(surplus));
        }
    }

    /// <summary>What the log has against what was promised: each promised version as it was answered, and no order that nobody was told of.</summary>
    /// <param name="promises">The answers.</param>
    /// <param name="log">Every event of the run's orders, as the promise it would make.</param>
    public static IEnumerable<Difference> OfPromises(IReadOnlyCollection<Promise> promises, IReadOnlyCollection<Promise> log)
    {
        const string Store = "event log";
        var events = log.ToLookup(logged => (logged.OrderId, logged.Version));
        foreach (var promise in promises.Distinct())
        {
            switch (events[(promise.OrderId, promise.Version)].ToList())
            {
                case []:
                    yield return new Difference(Store, DifferenceKind.Lost, promise.OrderId, promise.ToString(), "nothing");
                    break;
                case [var logged] when logged != promise:
                    yield return new Difference(Store, DifferenceKind.Altered, promise.OrderId, promise.ToString(), logged.ToString());
                    break;
            }
        }
        foreach (var repeated in events.Where(of => of.Count() > 1))
        {
            yield return new Difference(Store, DifferenceKind.Doubled, repeated.Key.OrderId, $"one event of version {repeated.Key.Version}", $"{repeated.Count()}");
        }
        var told = promises.Select(promise => promise.OrderId).ToHashSet();
        foreach (var untold in log.Where(logged => logged.Version == 1 && !told.Contains(logged.OrderId)))
        {
            yield return new Difference(Store, DifferenceKind.Doubled, untold.OrderId, "no order that nobody was told of", untold.ToString());
        }
    }

    /// <summary>Sums of a store against the source's.</summary>
    /// <param name="of">What is summed, such as a view.</param>
    public static IEnumerable<Difference> OfSums(string of, (long Orders, decimal Money) source, (long Orders, decimal Money) derived)
    {
        if (source != derived)
        {
            yield return new Difference(of, derived.Orders < source.Orders ? DifferenceKind.Lost : derived.Orders > source.Orders ? DifferenceKind.Doubled : DifferenceKind.Altered, "sum", Text(source), Text(derived));
        }
    }

    private static string Text(StoredOrder order) => string.Create(CultureInfo.InvariantCulture, $"version {order.Version}, {order.Events} events, {order.Status}, {order.Amount:F2}");

    private static string Text((long Orders, decimal Money) sum) => string.Create(CultureInfo.InvariantCulture, $"{sum.Orders} orders, {sum.Money:F2}");
}
