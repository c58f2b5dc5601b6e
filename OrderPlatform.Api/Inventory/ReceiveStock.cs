using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Inventory;

/// <summary>Goods that came in.</summary>
public sealed record ReceiveStockRequest(int? Quantity);

/// <summary>POST /inventory/{productId}/receipts: adds what came in to a product's stock.</summary>
internal static class ReceiveStock
{
    private const int MaxQuantity = 1_000_000;

    public static async Task<IResult> HandleAsync(HttpContext http, string productId, JsonBody<ReceiveStockRequest> body, IdempotentWrites writes, TimeProvider clock)
    {
        var quantity = Check.Between(body.Value?.Quantity, 1, MaxQuantity, "quantity");
        return await writes.RunAsync(http, body.Bytes, forGood: false, async (connection, cancellation) =>
        {
            var stock = await ReceiveAsync(connection, productId, quantity, clock.GetUtcNow().Truncated(), cancellation);
            return Answer.Ok(stock, stock.Version);
        });
    }

    /// <summary>Adds to the stock and tells of it, in the connection's transaction.</summary>
    /// <exception cref="ProblemException">404: there is no such product.</exception>
    private static async Task<Stock> ReceiveAsync(NpgsqlConnection connection, string productId, int quantity, DateTimeOffset now, CancellationToken cancellation)
    {
        var stock = await AddAsync(connection, productId, quantity, cancellation);
        var received = new StockReceived { ProductId = productId, Quantity = quantity, OnHand = stock.OnHand, Reserved = stock.Reserved };
        await using var append = new NpgsqlBatch(connection) { BatchCommands = { EventLogWriter.Append(productId, stock.Version, now, received) } };
        await append.ExecuteNonQueryAsync(cancellation);
        return stock;
    }

    // one statement, so that receipts at once wait for each other instead of failing
    private static async Task<Stock> AddAsync(NpgsqlConnection connection, string productId, int quantity, CancellationToken cancellation)
    {
        await using var context = InventoryContext.On(connection);
        try
        {
            var rows = await context.Stock.FromSql(
                $"""
                INSERT INTO stock (product_id, on_hand, reserved, version) VALUES ({productId}, {quantity}, 0, 1)
                ON CONFLICT (product_id) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1
                RETURNING product_id, on_hand, reserved, version
                """).AsNoTracking().ToListAsync(cancellation);
            return rows[0];
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            throw ProblemException.NotFound($"product {productId}");
        }
    }
}
