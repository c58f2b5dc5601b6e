using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Products;

/// <summary>Twenty products with stock, so that a new developer has something to order. Made once, where there is none at all.</summary>
internal sealed class DevelopmentProducts([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock) : IHostedService
{
    private const int PiecesEach = 1_000_000;

    private static readonly (string Id, string Name, decimal Price)[] Catalogue =
    [
        ("cd-0001", "Goldberg Variations", 14.99m), ("cd-0002", "Kind of Blue", 12.49m), ("cd-0003", "The Köln Concert", 16.97m), ("cd-0004", "Abbey Road", 15.97m),
        ("cd-0005", "Blue", 11.97m), ("cd-0006", "A Love Supreme", 12.97m), ("cd-0007", "Graceland", 13.49m), ("cd-0008", "Symphony No. 5", 9.99m),
        ("cd-0009", "The Rite of Spring", 10.99m), ("cd-0010", "Autobahn", 13.97m), ("cd-1177", "Pet Sounds", 11.77m), ("tape-0001", "Mixtape, 60 minutes", 2.50m),
        ("tape-0002", "Mixtape, 90 minutes", 3.25m), ("lp-0001", "Horses", 19.99m), ("lp-0002", "Rumours", 21.49m), ("lp-0003", "Remain in Light", 20.49m),
        ("box-0001", "The Complete String Quartets", 89.00m), ("box-0002", "The Complete Operas", 129.00m), ("book-0001", "The Rest Is Noise", 17.95m), ("cable-0001", "Headphone cable, 3 m", 6.80m),
    ];

    /// <inheritdoc />
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().Truncated();
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await using var context = ProductsContext.On(connection);
        if (await context.Products.AnyAsync(cancellationToken))
        {
            return;
        }
        // begun only now, and kept short: a machine that starts a dozen processes at once is slow, and a transaction has 5 s
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        context.AddRange(Catalogue.Select(product => new Product(product.Id, product.Name, Description: null, product.Price, "USD", Version: 1, now, now)));
        if (!await context.TrySaveAsync(cancellationToken))
        {
            return; // another replica has just made them
        }
        await StockLevels.FirstReceiptAsync(connection, [.. Catalogue.Select(product => product.Id)], PiecesEach, now, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <inheritdoc />
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
