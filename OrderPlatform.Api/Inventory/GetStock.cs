using Microsoft.EntityFrameworkCore;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Inventory;

/// <summary>GET /inventory/{productId}: how much of a product there is.</summary>
internal static class GetStock
{
    public static async Task<IResult> HandleAsync(HttpContext http, string productId, InventoryContext context, CancellationToken cancellation)
    {
        var stock = await context.Stock.AsNoTracking().SingleOrDefaultAsync(stock => stock.ProductId == productId, cancellation)
            ?? throw ProblemException.NotFound($"stock of the product {productId}");
        return http.HasSeen(stock.Version) ? http.NotModified(stock.Version) : Answer.Ok(stock, stock.Version);
    }
}
