using OrderPlatform.Api.Payments;

namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>
/// A payment gateway with books of its own, as IPaymentGateway promises: one charge for each key, and none after its refund was
/// asked for. Requests that their callers have given up may still arrive.
/// </summary>
internal sealed class Gateway(World world) : Actor(world, "gateway")
{
    private readonly List<Action> _late = [];

    /// <summary>The books by key.</summary>
    public Dictionary<string, Charge> Books { get; } = [];

    /// <summary>Requests that are still under way.</summary>
    public bool HasLateRequests => _late.Count > 0;

    public ChargeAnswer AskForCharge(string key, string orderId, decimal amount)
    {
        if (!Books.TryGetValue(key, out var known))
        {
            Books[key] = known = new Charge(orderId, amount, World.Random.Next(100) < World.DeclinePercent ? "declined" : null);
            Trace?.Say(Name, known.Refusal is null ? $"takes {amount} under {key}" : $"declines {key}");
            World.Promises.Charged(orderId);
        }
        return known.Refusal is null ? new ChargeAnswer(ReferenceOf(key), Refusal: null) : new ChargeAnswer(Reference: null, known.Refusal);
    }

    public string? AskForRefund(string key, string orderId)
    {
        if (!Books.TryGetValue(key, out var known))
        {
            known = new Charge(orderId, 0, "was called off");
        }
        Trace?.Say(Name, known.Refusal is null ? $"gives back what it took under {key}" : $"has nothing to give back under {key}");
        Books[key] = known with { IsRefunded = known.Refusal is null };
        return known.Refusal is null ? ReferenceOf(key) : null;
    }

    public void ArrivesLater(Action request) => _late.Add(request);

    public static string ReferenceOf(string key) => "reference of " + key;

    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            if (_late.Count == 0)
            {
                yield return Turn.Idle;
                continue;
            }
            var request = _late[World.Random.Next(_late.Count)];
            _late.Remove(request);
            request();
            yield return Turn.Did;
        }
    }
}

/// <summary>What the gateway knows of a key.</summary>
/// <param name="Refusal">Why no money was taken; null when it was.</param>
/// <param name="IsRefunded">It was given back.</param>
internal sealed record Charge(string OrderId, decimal Amount, string? Refusal, bool IsRefunded = false)
{
    /// <summary>The shop has the money.</summary>
    public bool IsKept => Refusal is null && !IsRefunded;
}
