using System.Globalization;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>Which orders; null means any.</summary>
internal sealed record OrderFilter(string? CustomerId, OrderStatus? Status, DateTimeOffset? From, DateTimeOffset? To);

/// <summary>The last order of a page.</summary>
internal sealed record OrderCursor(DateTimeOffset CreatedAt, Guid Id)
{
    public static string Pack(Order order) => Paging.Pack($"{order.CreatedAt.UtcTicks} {order.Id}");

    public static OrderCursor? Parse(string text) =>
        text.Split(' ') is [var ticks, var id] && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTimeOffset.MaxValue.Ticks && Guid.TryParse(id, out var guid)
            ? new OrderCursor(new DateTimeOffset(at, TimeSpan.Zero), guid)
            : null;
}

/// <summary>GET /orders: newest first, filtered by customer, status and time of placing (from inclusive, to exclusive).</summary>
internal static class ListOrders
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, string? customerId, string? status, string? from, string? to, string? limit, string? cursor,
        [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        var filter = new OrderFilter(
            customerId is null ? null : Check.Id(customerId, "customerId"),
            StatusOf(status),
            Check.Time(from, "from"),
            Check.Time(to, "to"));
        var after = Paging.Unpack(cursor, OrderCursor.Parse);
        var size = Paging.Limit(limit);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return Paging.Answer(http, await OrderStore.ListAsync(connection, filter, after, size + 1, cancellation), size, OrderCursor.Pack);
    }

    private static OrderStatus? StatusOf(string? status) =>
        status is null ? null
        : Enum.GetNames<OrderStatus>().Contains(status) ? Enum.Parse<OrderStatus>(status)
        : throw ProblemException.Invalid("status", $"must be one of {string.Join(", ", Enum.GetNames<OrderStatus>())}.");
}
