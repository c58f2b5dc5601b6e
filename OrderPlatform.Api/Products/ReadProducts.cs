using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Products;

/// <summary>GET /products and GET /products/{id}.</summary>
internal static class ReadProducts
{
    public static async Task<IResult> ListAsync(
        HttpContext http, string? limit, string? cursor, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        var size = Paging.Limit(limit);
        var after = Paging.Unpack(cursor, id => id.Any(char.IsControl) ? null : id) ?? "";
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var context = new ProductsContext(connection);
        var products = await context.Products.AsNoTracking()
            .Where(product => string.Compare(product.Id, after) > 0)
            .OrderBy(product => product.Id)
            .Take(size + 1)
            .ToListAsync(cancellation);
        return Paging.Answer(http, products, size, product => Paging.Pack(product.Id));
    }

    public static async Task<IResult> GetAsync(
        HttpContext http, string id, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var context = new ProductsContext(connection);
        var product = await context.Products.AsNoTracking().SingleOrDefaultAsync(product => product.Id == id, cancellation)
            ?? throw ProblemException.NotFound($"product {id}");
        return http.HasSeen(product.Version) ? http.NotModified(product.Version) : Answer.Ok(product, product.Version);
    }
}
