using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Inventory;

/// <summary>The stock of some products, locked for a transaction in the order of their ids, so that transactions wait for each other and never in a circle.</summary>
internal sealed class StockLevels(IEnumerable<Stock> locked)
{
    private readonly Dictionary<string, (Stock Stock, long OnHand, long Reserved)> _levels = locked.ToDictionary(stock => stock.ProductId, stock => (stock, 0L, 0L));

    /// <summary>What was booked: each product's stock after it, and the event that tells of it.</summary>
    public IReadOnlyList<(Stock Stock, StockLevelChanged Happened)> Changes =>
        [.. _levels.Values.Where(level => (level.OnHand, level.Reserved) != (0, 0)).Select(level => Change(level.Stock, level.OnHand, level.Reserved))];

    /// <summary>Locks the stock of these products; one that was never received has none.</summary>
    public static async Task<StockLevels> LockAsync(NpgsqlConnection connection, IEnumerable<string> productIds, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT product_id, on_hand, reserved, version FROM stock WHERE product_id = ANY ($1) ORDER BY product_id FOR UPDATE", connection)
        {
            Parameters = { new NpgsqlParameter<string[]> { TypedValue = [.. productIds.Distinct()] } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var locked = new List<Stock>();
        while (await reader.ReadAsync(cancellation))
        {
            locked.Add(new Stock(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt32(3)));
        }
        return new StockLevels(locked);
    }

    /// <summary>Gives new products their first pieces, each with its event, in the connection's transaction.</summary>
    public static async Task FirstReceiptAsync(NpgsqlConnection connection, IReadOnlyList<string> productIds, int pieces, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var insert = new NpgsqlCommand("INSERT INTO stock (product_id, on_hand, reserved, version) SELECT unnest($1), $2, 0, 1", connection)
        {
            Parameters = { new NpgsqlParameter<string[]> { TypedValue = [.. productIds] }, new NpgsqlParameter<int> { TypedValue = pieces } },
        };
        await insert.ExecuteNonQueryAsync(cancellation);
        await EventLogWriter.AppendAsync(
            connection, [.. productIds.Select(id => new NewEvent(id, 1, now, new StockReceived { ProductId = id, Quantity = pieces, OnHand = pieces, Reserved = 0 }, TraceParent: null))], cancellation);
    }

    /// <summary>Pieces that can be promised by now; null for a product that was never received.</summary>
    public long? Available(string productId) => _levels.TryGetValue(productId, out var level) ? level.Stock.Available + level.OnHand - level.Reserved : null;

    /// <summary>Books what a step moves.</summary>
    public void Book(IEnumerable<(string ProductId, long OnHand, long Reserved)> difference)
    {
        foreach (var (productId, onHand, reserved) in difference)
        {
            var level = _levels[productId];
            _levels[productId] = level with { OnHand = level.OnHand + onHand, Reserved = level.Reserved + reserved };
        }
    }

    /// <summary>Writes what was booked: each product's row, and one event that tells of it.</summary>
    public async Task SaveAsync(NpgsqlConnection connection, DateTimeOffset now, CancellationToken cancellation)
    {
        var changes = Changes;
        if (changes.Count == 0)
        {
            return;
        }
        await using var update = new NpgsqlCommand(
            """
            UPDATE stock SET on_hand = new.on_hand, reserved = new.reserved, version = new.version
            FROM unnest($1, $2, $3, $4) AS new (product_id, on_hand, reserved, version) WHERE stock.product_id = new.product_id
            """,
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string[]> { TypedValue = [.. changes.Select(change => change.Stock.ProductId)] },
                new NpgsqlParameter<long[]> { TypedValue = [.. changes.Select(change => change.Stock.OnHand)] },
                new NpgsqlParameter<long[]> { TypedValue = [.. changes.Select(change => change.Stock.Reserved)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. changes.Select(change => change.Stock.Version)] },
            },
        };
        await update.ExecuteNonQueryAsync(cancellation);
        await EventLogWriter.AppendAsync(connection, [.. changes.Select(change => new NewEvent(change.Stock.ProductId, change.Stock.Version, now, change.Happened, TraceParent: null))], cancellation);
    }

    private static (Stock Stock, StockLevelChanged Happened) Change(Stock before, long onHand, long reserved)
    {
        var after = before with { OnHand = before.OnHand + onHand, Reserved = before.Reserved + reserved, Version = before.Version + 1 };
        return (after, new StockLevelChanged { ProductId = after.ProductId, OnHandDifference = onHand, ReservedDifference = reserved, OnHand = after.OnHand, Reserved = after.Reserved });
    }
}
