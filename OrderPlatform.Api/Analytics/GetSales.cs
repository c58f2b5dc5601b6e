using System.Globalization;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Api.Analytics;

/// <summary>Sales by period.</summary>
/// <param name="Grain">hour or day.</param>
/// <param name="CompleteUntil">Every order written before this is in; null when that is not known.</param>
internal sealed record Sales(string Grain, DateTimeOffset? CompleteUntil, IReadOnlyList<SalesOfPeriod> Rows);

/// <summary>Sales of one hour or day, UTC, of the orders placed in it.</summary>
/// <param name="Orders">Orders that count: cancelled ones do not.</param>
/// <param name="AverageOrderValue">Revenue by orders, two decimals, half away from zero; 0 without orders.</param>
internal sealed record SalesOfPeriod(DateTimeOffset PeriodStart, long Orders, decimal Revenue, decimal AverageOrderValue)
{
    public static SalesOfPeriod Of(DateTimeOffset start, long orders, decimal revenue) =>
        new(start, orders, revenue, orders == 0 ? 0 : Math.Round(revenue / orders, 2, MidpointRounding.AwayFromZero));
}

/// <summary>GET /analytics/sales: the periods that start at or after from and before to; those without sales are left out.</summary>
internal static class GetSales
{
    private const int MaxRows = 10_000;

    // what ClickHouse's DateTime64 holds
    private static readonly DateTimeOffset Earliest = new(1900, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Latest = new(2299, 12, 31, 0, 0, 0, TimeSpan.Zero);

    public static async Task<IResult> HandleAsync(
        string? grain, string? from, string? to, string? currency, ClickHouseClient clickHouse, Completeness completeness, TimeProvider clock, CancellationToken cancellation)
    {
        var (table, span) = grain switch
        {
            "hour" => ("sales_hourly", TimeSpan.FromDays(2)),
            "day" => ("sales_daily", TimeSpan.FromDays(30)),
            _ => throw ProblemException.Invalid("grain", "must be hour or day."),
        };
        var end = Check.DateOrTime(to, "to") ?? clock.GetUtcNow();
        var start = Check.DateOrTime(from, "from") ?? new DateTimeOffset(Math.Max(0, end.UtcTicks - span.Ticks), TimeSpan.Zero);
        if (start > end)
        {
            throw ProblemException.Invalid("from", "must not be after to.");
        }
        var code = Check.Currency(currency ?? "USD", "currency");
        // first, so that the rows hold at least what it says
        var completeUntil = await completeness.UntilAsync(Completeness.SalesFacts, cancellation);
        var rows = await ReadAsync(clickHouse, table, code, start, end, cancellation);
        return rows.Count <= MaxRows
            ? Answer.Json(StatusCodes.Status200OK, new Sales(grain!, completeUntil, rows))
            : throw ProblemException.Invalid("from", $"and to span more than {MaxRows} rows: ask for a shorter time, or for grain=day.");
    }

    private static async Task<List<SalesOfPeriod>> ReadAsync(ClickHouseClient clickHouse, string table, string currency, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellation)
    {
        var sql =
            $$"""
            SELECT toUnixTimestamp64Second(period), sum(orders) AS count, sum(revenue) AS amount FROM {{table}}
            WHERE currency = {currency:String} AND period >= {from:DateTime64(6, 'UTC')} AND period < {to:DateTime64(6, 'UTC')}
            GROUP BY period HAVING count != 0 OR amount != 0 ORDER BY period LIMIT {{MaxRows + 1}}
            """;
        var answer = await clickHouse.QueryAsync(sql, new Dictionary<string, string> { ["currency"] = currency, ["from"] = Bounded(from), ["to"] = Bounded(to) }, cancellation);
        return [.. answer.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split('\t')).Select(fields => SalesOfPeriod.Of(
            DateTimeOffset.FromUnixTimeSeconds(long.Parse(fields[0], CultureInfo.InvariantCulture)),
            long.Parse(fields[1], CultureInfo.InvariantCulture),
            decimal.Parse(fields[2], CultureInfo.InvariantCulture)))];
    }

    private static string Bounded(DateTimeOffset time) =>
        (time < Earliest ? Earliest : time > Latest ? Latest : time).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
}
