using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;

namespace OrderPlatform.Api.Rankings;

/// <summary>The platform's counters of this moment.</summary>
/// <param name="CompleteUntil">Every event published before is in them; null while they are being built.</param>
/// <param name="Complete">False while they are being built.</param>
/// <param name="Today">Orders placed today (UTC) that count, and their revenue, by currency.</param>
/// <param name="Statuses">How many orders stand where, cancelled ones included.</param>
public sealed record LiveCounters(DateTimeOffset? CompleteUntil, bool Complete, IReadOnlyList<RankingRow> Today, IReadOnlyList<StatusCount> Statuses);

/// <summary>Orders of one status.</summary>
public sealed record StatusCount(string Status, long Orders);

/// <summary>GET /analytics/live: today's orders and revenue, and orders by status.</summary>
internal static class GetLiveCounters
{
    private const int EveryCurrency = 200;

    public static async Task<IResult> HandleAsync(RankingReader rankings, TimeProvider clock, CancellationToken cancellation)
    {
        var today = RankingKeys.Day(DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));
        var totals = await rankings.AskAsync(RankingKeys.Totals, [today], EveryCurrency, cancellation);
        var statuses = await rankings.AskAsync(RankingKeys.Statuses, [RankingKeys.All], Enum.GetValues<OrderStatus>().Length, cancellation);
        return Answer.Json(StatusCodes.Status200OK, new LiveCounters(
            totals.CompleteUntil, totals.CompleteUntil is not null, totals.Rows, [.. statuses.Rows.Select(row => new StatusCount(row.Id, row.Orders))]));
    }
}
