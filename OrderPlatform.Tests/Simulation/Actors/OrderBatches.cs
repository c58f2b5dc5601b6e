using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>One replica's batches of orders (Api/Orders/OrderBatches, Idempotency/IdempotentWrites.RunTogetherAsync): those that wait are written in one transaction.</summary>
internal sealed class OrderBatches(World world, string name) : Actor(world, name)
{
    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            if (World.WaitingOrders.Count == 0)
            {
                yield return Turn.Idle;
                continue;
            }
            foreach (var turn in Write([.. World.WaitingOrders]))
            {
                yield return turn;
            }
        }
    }

    private IEnumerable<Turn> Write(List<PlaceOrder> batch)
    {
        World.WaitingOrders.Clear();
        var transaction = World.Postgres.Begin();
        try
        {
            var taken = new List<PlaceOrder>();
            foreach (var order in batch.DistinctBy(order => order.Key))
            {
                var wasDone = transaction.Get(World.Answers, order.Key) is not null;
                if (World.Bug == Bug.AnswerLookedUpBeforeItsLock)
                {
                    yield return Turn.Did;
                }
                if (transaction.TryAdvisoryLock(World.Answers, order.Key) && !(World.Bug == Bug.AnswerLookedUpBeforeItsLock ? wasDone : transaction.Get(World.Answers, order.Key) is not null))
                {
                    transaction.Set(World.Answers, order.Key, order.Decided);
                    taken.Add(order);
                }
                yield return Turn.Did;
            }
            foreach (var order in taken)
            {
                order.Write(transaction);
                yield return Turn.Did;
            }
            if (World.Bug == Bug.BatchAnsweredBeforeItsCommit)
            {
                Answer(batch, taken);
                yield return Turn.Did;
            }
            transaction.Commit();
            Trace?.Say(Name, $"has written {string.Join(", ", taken.Select(order => order.Key))} of {batch.Count}");
            yield return Turn.Did;
            Answer(batch, taken);
        }
        finally
        {
            transaction.Dispose();
            batch.ForEach(order => order.Outcome ??= BatchOutcome.Unknown);
        }
    }

    private static void Answer(List<PlaceOrder> batch, List<PlaceOrder> taken) =>
        batch.ForEach(order => order.Outcome = taken.Contains(order) ? BatchOutcome.Written : BatchOutcome.Left);
}

/// <summary>What became of an order in its batch.</summary>
internal enum BatchOutcome
{
    /// <summary>It is committed.</summary>
    Written,

    /// <summary>Nothing was written for it: it is placed alone.</summary>
    Left,

    /// <summary>PostgreSQL or the Api was gone in the middle: the client repeats it with its key.</summary>
    Unknown,
}
