using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Inventory/StockLevels, on the simulated table.</summary>
internal static class StockMoves
{
    public static IEnumerable<Turn> Book(World world, Transaction transaction, IReadOnlyList<(string ProductId, long OnHand, long Reserved)> moves)
    {
        var products = moves.Select(move => move.ProductId).Distinct().Order(StringComparer.Ordinal).ToList();
        foreach (var turn in Lock(world, transaction, products))
        {
            yield return turn;
        }
        var levels = Levels(world, transaction, products);
        levels.Book(moves);
        Save(world, transaction, levels);
    }

    /// <summary>Locks products in one order, so that nobody waits in a circle.</summary>
    public static IEnumerable<Turn> Lock(World world, Transaction transaction, IEnumerable<string> products)
    {
        foreach (var product in products.Where(product => world.Stock.Find(product) is not null))
        {
            while (!transaction.TryLock(world.Stock, product))
            {
                yield return Turn.Idle;
            }
        }
    }

    public static StockLevels Levels(World world, Transaction transaction, IEnumerable<string> products) =>
        new(products.Select(product => transaction.Get(world.Stock, product)).OfType<Stock>());

    public static void Save(World world, Transaction transaction, StockLevels levels)
    {
        foreach (var (stock, happened) in levels.Changes)
        {
            transaction.Set(world.Stock, stock.ProductId, stock);
            transaction.Append(new NewEvent(stock.ProductId, stock.Version, world.Now, happened, TraceParent: null));
        }
    }
}
