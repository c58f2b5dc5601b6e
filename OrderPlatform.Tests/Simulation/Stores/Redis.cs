namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>
/// Redis as Garnet is (decisions 5 and 6): a script runs alone, but a kill keeps a beginning of the commands that it has run.
/// </summary>
internal sealed class Redis(World world)
{
    private int _generations;

    /// <summary>Names what belongs to the offsets; null in an empty store.</summary>
    public string? Generation { get; set; }

    /// <summary>The commands of a write that has begun; null when there is none.</summary>
    public IReadOnlyList<Action>? Plan { get; set; }

    /// <summary>The next offset of each partition.</summary>
    public Dictionary<Partition, long> Offsets { get; } = [];

    /// <summary>Cents and orders of each id of each ranking.</summary>
    public Dictionary<string, (long Cents, int Orders)> Rankings { get; } = [];

    /// <summary>The last sequence of each order.</summary>
    public Dictionary<string, int> Sequences { get; } = [];

    public string NewGeneration() => $"generation-{++_generations}";

    /// <summary>Runs the commands of a script.</summary>
    /// <returns>False when it was killed on the way: the caller gets no answer.</returns>
    public bool Run(IReadOnlyList<Action> commands)
    {
        var done = world.Strikes(Faults.RedisKilled) ? world.Random.Next(commands.Count + 1) : commands.Count;
        foreach (var command in commands.Take(done))
        {
            command();
        }
        if (done < commands.Count)
        {
            world.Trace?.Say("redis", $"IS KILLED after {done} of {commands.Count} commands of a script");
        }
        return done == commands.Count;
    }

    public void Empty()
    {
        world.Trace?.Say("redis", "LOSES everything");
        (Generation, Plan) = (null, null);
        Offsets.Clear();
        Rankings.Clear();
        Sequences.Clear();
    }
}
