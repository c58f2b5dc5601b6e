using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Inventory;

/// <summary>The stock of some products, locked for a transaction in the order of their ids, so that transactions wait for each other and never in a circle.</summary>
internal sealed class StockLevels
{
    private readonly Dictionary<string, (Stock Stock, long OnHand, long Reserved)> _levels = [];

    private StockLevels()
    {
    }

    /// <summary>Locks the stock of these products; one that was never received has none.</summary>
    public static async Task<StockLevels> LockAsync(NpgsqlConnection connection, IEnumerable<string> productIds, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT product_id, on_hand, reserved, version FROM stock WHERE product_id = ANY ($1) ORDER BY product_id FOR UPDATE", connection)
        {
            Parameters = { new NpgsqlParameter<string[]> { TypedValue = [.. productIds.Distinct()] } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var levels = new StockLevels();
        while (await reader.ReadAsync(cancellation))
        {
            levels._levels[reader.GetString(0)] = (new Stock(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt32(3)), 0, 0);
        }
        return levels;
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
        var moved = _levels.Values.Where(level => (level.OnHand, level.Reserved) != (0, 0))
            .Select(level => level with { Stock = level.Stock with { OnHand = level.Stock.OnHand + level.OnHand, Reserved = level.Stock.Reserved + level.Reserved, Version = level.Stock.Version + 1 } })
            .ToList();
        if (moved.Count == 0)
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
                new NpgsqlParameter<string[]> { TypedValue = [.. moved.Select(level => level.Stock.ProductId)] },
                new NpgsqlParameter<long[]> { TypedValue = [.. moved.Select(level => level.Stock.OnHand)] },
                new NpgsqlParameter<long[]> { TypedValue = [.. moved.Select(level => level.Stock.Reserved)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. moved.Select(level => level.Stock.Version)] },
            },
        };
        await update.ExecuteNonQueryAsync(cancellation);
        await EventLogWriter.AppendAsync(connection, [.. moved.Select(level => new NewEvent(level.Stock.ProductId, level.Stock.Version, now, Changed(level), TraceParent: null))], cancellation);
    }

    private static StockLevelChanged Changed((Stock Stock, long OnHand, long Reserved) level) => new()
    {
        ProductId = level.Stock.ProductId,
        OnHandDifference = level.OnHand,
        ReservedDifference = level.Reserved,
        OnHand = level.Stock.OnHand,
        Reserved = level.Stock.Reserved,
    };
}
