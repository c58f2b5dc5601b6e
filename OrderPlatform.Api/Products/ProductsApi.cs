using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Products;

/// <summary>The endpoints of products.</summary>
internal static class ProductsApi
{
    public static void MapProducts(this WebApplication app)
    {
        var products = app.MapGroup("/products").WithTags("Products");
        var read = products.MapGroup("").RequireScope(Scopes.ProductsRead);
        var write = products.MapGroup("").RequireScope(Scopes.Operations);

        read.MapGet("/", ReadProducts.ListAsync).WithName("ListProducts").WithSummary("List products, by id").Produces<Page<Product>>();
        read.MapGet("/{id}", ReadProducts.GetAsync).WithName("GetProduct").WithSummary("Read a product").Produces<Product>().SendsVersionsOnce();
        write.MapPut("/{id}", PutProduct.HandleAsync).WithName("PutProduct").WithSummary("Make or replace a product").Produces<Product>().Produces<Product>(StatusCodes.Status201Created);
    }
}
