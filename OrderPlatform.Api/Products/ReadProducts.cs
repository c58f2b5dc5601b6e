using Microsoft.EntityFrameworkCore;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Products;

/// <summary>GET /products and GET /products/{id}.</summary>
internal static class ReadProducts
{
    public static async Task<IResult> ListAsync(HttpContext http, string? limit, string? cursor, ProductsContext context, CancellationToken cancellation)
    {
        var size = Paging.Limit(limit);
        var after = Paging.Unpack(cursor, id => id.Any(char.IsControl) ? null : id) ?? "";
        var products = await context.Products.AsNoTracking()
            .Where(product => string.Compare(product.Id, after) > 0)
            .OrderBy(product => product.Id)
            .Take(size + 1)
            .ToListAsync(cancellation);
        return Paging.Answer(http, products, size, product => Paging.Pack(product.Id));
    }

    public static async Task<IResult> GetAsync(HttpContext http, string id, ProductsContext context, CancellationToken cancellation)
    {
        var product = await context.Products.AsNoTracking().SingleOrDefaultAsync(product => product.Id == id, cancellation)
            ?? throw ProblemException.NotFound($"product {id}");
        return http.HasSeen(product.Version) ? http.NotModified(product.Version) : Answer.Ok(product, product.Version);
    }
}
