using System.Globalization;

namespace OrderPlatform.Contracts.Rankings;

/// <summary>
/// What the rankings projection keeps in Redis, all under one hash tag so that one script may change it (docs/decisions/0006-redis-write-ahead.md).
/// A ranking is a sorted set of ids by negative cents, so that its own order is "most revenue first, ties by id", and beside it
/// a hash with the number of orders of each id.
/// </summary>
public static class RankingKeys
{
    /// <summary>Everything begins with this.</summary>
    public const string Prefix = "{rankings}:";

    /// <summary>
    /// Hash: <see cref="Generation"/>, the plan of a write that has begun, and offset and time of completeness of each partition.
    /// Its name has a version: what another one has written is not read, but built again.
    /// </summary>
    public const string State = Prefix + "state:2";

    /// <summary>The generation that a rebuild is making beside the one of <see cref="State"/>: <c>{generation} {rebuild}</c>.</summary>
    public const string Shadow = Prefix + "shadow";

    /// <summary>While it is there, nothing is written to the generation of <see cref="State"/>: the shadow is about to take its place.</summary>
    public const string Hold = Prefix + "hold";

    /// <summary>Field of <see cref="State"/>: names the keys that belong to its offsets.</summary>
    public const string Generation = "generation";

    /// <summary>Field of <see cref="State"/>: the writes of a batch that has begun; empty when it is done.</summary>
    public const string Plan = "plan";

    /// <summary>Fields of <see cref="State"/>, with the partition: the next offset.</summary>
    public const string Offset = "offset:";

    /// <summary>Fields of <see cref="State"/>, with the partition: Unix milliseconds; what was published before is in.</summary>
    public const string Until = "until:";

    /// <summary>Suffix of a ranking's hash of orders.</summary>
    public const string Orders = ":orders";

    /// <summary>The window over all time.</summary>
    public const string All = "all";

    /// <summary>Products by revenue, for each currency.</summary>
    public const string Products = "products";

    /// <summary>Customers by revenue, for each currency.</summary>
    public const string Customers = "customers";

    /// <summary>Orders and revenue; the ids are currencies.</summary>
    public const string Totals = "totals";

    /// <summary>Orders by status, cancelled ones included; the ids are statuses.</summary>
    public const string Statuses = "statuses";

    /// <summary>Channel that is told of every new status of an order: <c>{orderId} {sequence} {status}</c>. A hint, and no more: it can be missed.</summary>
    public const string StatusChannel = "orders:status";

    /// <summary>Days of the window of 30 days, today included.</summary>
    public const int MonthDays = 30;

    /// <summary>A ranking, such as <c>{rankings}:4f1c:products:USD:2026-11-20</c>.</summary>
    /// <param name="generation">The value of <see cref="Generation"/>.</param>
    /// <param name="kind">Products, Customers, Totals or Statuses, the first two with the currency.</param>
    /// <param name="window">All, a day, or a month.</param>
    public static string Ranking(string generation, string kind, string window) => $"{Of(generation)}{kind}:{window}";

    /// <summary>All keys of a generation begin with this.</summary>
    public static string Of(string generation) => $"{Prefix}{generation}:";

    /// <summary>A kind of ranking that has one for each currency.</summary>
    public static string In(string kind, string currency) => $"{kind}:{currency}";

    /// <summary>The window of one UTC date.</summary>
    public static string Day(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>The window of one UTC month: of <see cref="Totals"/> alone, for good.</summary>
    public static string Month(DateOnly day) => day.ToString("yyyy-MM", CultureInfo.InvariantCulture);

    /// <summary>An order's status; the value is a <see cref="CachedStatus"/>.</summary>
    public static string Order(string generation, string orderId) => $"{Of(generation)}order:{orderId}";
}
