using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;

namespace OrderPlatform.Api.Inventory;

/// <summary>The endpoints of stock.</summary>
internal static class InventoryApi
{
    public static void MapInventory(this WebApplication app)
    {
        var inventory = app.MapGroup("/inventory/{productId}").WithTags("Inventory");

        inventory.MapGet("/", GetStock.HandleAsync).RequireScope(Scopes.ProductsRead).WithName("GetStock").WithSummary("Read a product's stock").Produces<Stock>().SendsVersionsOnce();
        inventory.MapPost("/receipts", ReceiveStock.HandleAsync).RequireScope(Scopes.Operations).WithName("ReceiveStock").WithSummary("Add what came in").Produces<Stock>();
    }
}
