using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Inventory;

/// <summary>GET /inventory/{productId}: how much of a product there is.</summary>
internal static class GetStock
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, string productId, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var context = new InventoryContext(connection);
        var stock = await context.Stock.AsNoTracking().SingleOrDefaultAsync(stock => stock.ProductId == productId, cancellation)
            ?? throw ProblemException.NotFound($"stock of the product {productId}");
        return http.HasSeen(stock.Version) ? http.NotModified(stock.Version) : Answer.Ok(stock, stock.Version);
    }
}
