namespace OrderPlatform.Bench.Chaos;

/// <summary>Which faults come, in which order: the same for the same seed.</summary>
internal static class ChaosPlan
{
    private static readonly string[] Services = ["api", "relay", "projections"];
    private static readonly string[] Engines = ["postgres", "kafka", "redis", "clickhouse"];

    /// <summary>Faults of the first round, and the calm before it.</summary>
    public static int RoundLength => 1 + Round(new Random(0)).Count();

    /// <summary>Rounds without end. Each has every kind of fault, in an order, at targets and with lengths of its own.</summary>
    public static IEnumerable<Fault> By(int seed)
    {
        var random = new Random(seed);
        yield return new Calm();
        while (true)
        {
            var round = Round(random).ToArray();
            random.Shuffle(round);
            foreach (var fault in round)
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<Fault> Round(Random random)
    {
        TimeSpan Length(int from, int to) => TimeSpan.FromMilliseconds(random.Next(from, to));
        string[] all = [.. Services, .. Engines];
        return
        [
            .. all.Select(target => new Kill(target)),
            new Restart(random.GetItems(Services, 1)[0]), new Restart(random.GetItems(Engines, 1)[0]),
            .. Services.Select(target => new Stop(target, Length(1000, 6000))),
            // stopping PostgreSQL's first process stops none of its backends: the network stalls for it
            .. Engines[1..].Select(target => new Stop(target, Length(1000, 6000))),
            .. Engines.Select(target => new Cut(target)),
            .. Engines.Select(target => BadNetwork.Lossy(target, Length(1500, 4000), 0.01 + (0.09 * random.NextDouble()))),
            BadNetwork.Slow("postgres", Length(2000, 4000), random.Next(5, 30)), BadNetwork.Slow(random.GetItems(Engines[1..], 1)[0], Length(2000, 5000), random.Next(20, 200)),
            BadNetwork.Stalled("postgres", Length(1000, 4000)), BadNetwork.Stalled(random.GetItems(Engines[1..], 1)[0], Length(1000, 6000)),
            new Flush(),
            new RefuseInserts("orders_analytics", Length(1000, 4000)), new RefuseInserts("sales_daily", Length(1000, 4000)),
            new SecondRelay(Length(4000, 6000)),
            Pair(random, all), Pair(random, all),
        ];
    }

    private static Both Pair(Random random, string[] targets)
    {
        var two = targets.ToArray();
        random.Shuffle(two);
        return new Both(new Kill(two[0]), new Kill(two[1]));
    }
}
