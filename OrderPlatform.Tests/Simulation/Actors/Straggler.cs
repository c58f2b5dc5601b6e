namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Somebody in the same database whose transaction has an id and stays open for a while.</summary>
internal sealed class Straggler(World world) : Actor(world, "straggler")
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(0.6);

    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            using (var transaction = World.Postgres.Begin())
            {
                transaction.TakeId();
                var until = World.Now + (World.Random.NextDouble() * Longest);
                while (World.Now < until)
                {
                    yield return Turn.Idle;
                }
            }
            var next = World.Now + (World.Random.NextDouble() * Longest);
            while (World.Now < next || !World.IsChaos)
            {
                yield return Turn.Idle;
            }
        }
    }
}
