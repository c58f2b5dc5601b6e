using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Products;

/// <summary>A product as callers send it, whole.</summary>
public sealed record PutProductRequest(string? Name, decimal? Price, string? Currency, string? Description = null);

/// <summary>PUT /products/{id}: makes a product, or replaces the version of it that the caller has seen.</summary>
internal static class PutProduct
{
    private const int MaxNameLength = 200;
    private const int MaxDescriptionLength = 4000;
    private const decimal MaxPrice = 1_000_000m;

    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, JsonBody<PutProductRequest> body, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, CancellationToken cancellation)
    {
        var now = clock.GetUtcNow().Truncated();
        var wanted = Checked(id, body.Value, now);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var context = ProductsContext.On(connection);
        var before = await context.Products.SingleOrDefaultAsync(product => product.Id == wanted.Id, cancellation);
        if (before is null)
        {
            if (http.IfMatch() is not null)
            {
                throw IfMatch.Stale();
            }
            context.Add(wanted);
        }
        else
        {
            http.RequireIfMatch().Require(before.Version);
            wanted = wanted with { Version = before.Version + 1, CreatedAt = before.CreatedAt };
            context.Entry(before).CurrentValues.SetValues(wanted);
        }
        if (!await context.TrySaveAsync(cancellation))
        {
            throw IfMatch.Stale();
        }
        return before is null ? Answer.Created($"/products/{Uri.EscapeDataString(wanted.Id)}", wanted, wanted.Version) : Answer.Ok(wanted, wanted.Version);
    }

    private static Product Checked(string id, PutProductRequest? request, DateTimeOffset now) => request is null
        ? throw ProblemException.Invalid("$", "must be a product: name, price and currency, and a description if there is one.")
        : new Product(
            Check.Id(id, "id"),
            Check.Name(request.Name, "name", MaxNameLength),
            Check.Text(request.Description, "description", MaxDescriptionLength),
            Check.Amount(request.Price, MaxPrice, "price"),
            Check.Currency(request.Currency, "currency"),
            Version: 1, CreatedAt: now, UpdatedAt: now);
}
