
namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Somebody who sends requests, and sends them again until they are answered.</summary>
internal abstract class Client(World world, string name) : Actor(world, name)
{
    protected override bool IsService => false;

    /// <summary>The last answer of <see cref="Send"/>.</summary>
    protected Answer Answer { get; private set; } = new(0, "", 0);

    /// <summary>Sends a request until it is answered; each try has the same idempotency key.</summary>
    /// <param name="key">Its key; null when it has none.</param>
    protected IEnumerable<Turn> Send(string? key, Func<Request> make)
    {
        while (true)
        {
            var request = make();
            World.Add(request);
            yield return Turn.Did;
            while (!request.IsOver && !World.Strikes(Faults.AnswerLost))
            {
                yield return Turn.Idle;
            }
            if (!request.IsOver)
            {
                Trace?.Say(Name, $"GIVES UP waiting for '{request.Name}'");
            }
            if (request.Answer is { } answer && answer != Answer.InProgress)
            {
                Answer = answer;
                if (key is not null && answer.IsSuccess)
                {
                    World.Promises.Answered(key, answer);
                }
                yield break;
            }
        }
    }

    protected IEnumerable<Turn> Wait(TimeSpan time)
    {
        var until = World.Now + time;
        while (World.Now < until)
        {
            yield return Turn.Idle;
        }
    }
}

/// <summary>A customer: places an order, and may change it, cancel it and repeat what was answered, at any moment.</summary>
internal sealed class Customer(World world, string name) : Client(world, name)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(8);

    protected override IEnumerable<Turn> Run()
    {
        var items = World.SomeItems();
        foreach (var turn in Send(Name, () => new PlaceOrder(World, Name, Name, items)))
        {
            yield return turn;
        }
        var order = Answer.Id;
        foreach (var turn in Chance(35) ? Change(order) : [])
        {
            yield return turn;
        }
        foreach (var turn in Chance(20) ? Change(order) : [])
        {
            yield return turn;
        }
        foreach (var turn in Chance(40) ? Cancel(order) : [])
        {
            yield return turn;
        }
        foreach (var turn in Chance(25) ? Send(Name, () => new PlaceOrder(World, Name, Name, items)) : [])
        {
            yield return turn;
        }
    }

    private IEnumerable<Turn> Change(string order)
    {
        var items = World.SomeItems();
        var version = World.Orders.Find(order)!.Version;
        return Wait(World.Random.NextDouble() * Longest).Concat(Send(key: null, () => new ChangeItems(World, order, version, items)));
    }

    private IEnumerable<Turn> Cancel(string order) =>
        Wait(World.Random.NextDouble() * Longest).Concat(Send($"cancel {order}", () => new CancelOrder(World, $"cancel {order}", order)));

    private bool Chance(int percent) => World.Random.Next(100) < percent;
}

/// <summary>The warehouse's scanner: tells of goods that came in.</summary>
internal sealed class Warehouse(World world, IReadOnlyList<(string ProductId, int Quantity)> receipts) : Client(world, "warehouse")
{
    protected override IEnumerable<Turn> Run() =>
        receipts.SelectMany((receipt, number) => Send($"receipt {number}", () => new ReceiveStock(World, $"receipt {number}", receipt.ProductId, receipt.Quantity)));
}
