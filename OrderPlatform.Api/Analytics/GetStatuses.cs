using System.Globalization;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Api.Analytics;

/// <summary>Where all orders stand.</summary>
/// <param name="CompleteUntil">Every change written before this is in; null when that is not known.</param>
internal sealed record Statuses(DateTimeOffset? CompleteUntil, IReadOnlyList<OrdersInStatus> Rows);

/// <summary>Orders that are in a status now.</summary>
internal sealed record OrdersInStatus(OrderStatus Status, long Orders);

/// <summary>GET /analytics/status: orders by status, in the order of an order's life; a status without orders is left out.</summary>
internal static class GetStatuses
{
    public static async Task<IResult> HandleAsync(ClickHouseClient clickHouse, Completeness completeness, CancellationToken cancellation)
    {
        // first, so that the rows hold at least what it says
        var completeUntil = await completeness.UntilAsync(Completeness.SalesFacts, cancellation);
        var answer = await clickHouse.QueryAsync("SELECT status, sum(orders) AS count FROM orders_by_status GROUP BY status HAVING count != 0", parameters: null, cancellation);
        var rows = answer.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split('\t'))
            .Select(fields => new OrdersInStatus(Enum.Parse<OrderStatus>(fields[0]), long.Parse(fields[1], CultureInfo.InvariantCulture)));
        return Answer.Json(StatusCodes.Status200OK, new Statuses(completeUntil, [.. rows.OrderBy(row => row.Status)]));
    }
}
