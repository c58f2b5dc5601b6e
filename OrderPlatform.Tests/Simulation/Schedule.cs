namespace OrderPlatform.Tests.Simulation;

/// <summary>One schedule: everything else follows from it.</summary>
/// <param name="Orders">Customers with one order each.</param>
/// <param name="Steps">Steps under faults, before everything may drain.</param>
internal sealed record Scenario(int Seed, int Orders, int Steps, Faults Faults, Bug Bug)
{
    /// <summary>The scenario of a seed.</summary>
    public static Scenario Of(int seed, Bug bug = Bug.None)
    {
        var random = new Random(seed);
        return new Scenario(seed, 1 + random.Next(3), 200 + random.Next(800), Faults.All, bug);
    }
}

/// <summary>Runs scenarios, and makes those that break a promise short.</summary>
internal static class Schedule
{
    private const int MaxDrainSteps = 20_000;
    private static readonly TimeSpan DrainBound = TimeSpan.FromHours(1);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <summary>Runs a scenario to its end.</summary>
    /// <returns>The promise that it breaks; null when it breaks none.</returns>
    public static string? Run(Scenario scenario, Trace? trace = null)
    {
        var world = new World(scenario, trace);
        try
        {
            for (var step = 0; step < scenario.Steps; step++)
            {
                world.StrikeSomebody();
                world.Pass(TimeSpan.FromMilliseconds(world.Random.Next(world.Step() ? 40 : 1000)));
            }
            world.EndChaos();
            trace?.Say("----", "the faults end; everything may drain");
            Drain(world);
            world.Promises.AtTheEnd();
            return null;
        }
        catch (PromiseBrokenException broken)
        {
            return broken.Message;
        }
    }

    /// <summary>Finds a shorter scenario that breaks a promise as well: fewer orders, fewer kinds of faults, fewer steps.</summary>
    /// <returns>The shortest trace that was found.</returns>
    public static (Scenario Scenario, string Broken, Trace Trace) Shorten(Scenario failing)
    {
        var shortest = Traced(failing)!.Value;
        for (var wasShortened = true; wasShortened;)
        {
            wasShortened = false;
            foreach (var candidate in Shorter(shortest.Scenario).ToList())
            {
                if (Traced(candidate) is { } shorter && shorter.Trace.Length <= shortest.Trace.Length)
                {
                    (shortest, wasShortened) = (shorter, true);
                    break;
                }
            }
        }
        return shortest;
    }

    private static IEnumerable<Scenario> Shorter(Scenario scenario)
    {
        for (var orders = 1; orders < scenario.Orders; orders++)
        {
            yield return scenario with { Orders = orders };
        }
        foreach (var fault in Enum.GetValues<Faults>().Where(fault => int.PopCount((int)fault) == 1 && scenario.Faults.HasFlag(fault)))
        {
            yield return scenario with { Faults = scenario.Faults & ~fault };
        }
        for (var steps = scenario.Steps / 8; steps < scenario.Steps; steps += Math.Max(1, scenario.Steps / 8))
        {
            yield return scenario with { Steps = steps };
        }
    }

    private static (Scenario Scenario, string Broken, Trace Trace)? Traced(Scenario scenario)
    {
        var trace = new Trace();
        return Run(scenario, trace) is { } broken ? (scenario, broken, trace) : null;
    }

    // Nothing goes wrong any more: within a bound everything comes to its end.
    private static void Drain(World world)
    {
        var pause = FirstPause;
        var until = world.Now + DrainBound;
        for (var steps = 0; steps < MaxDrainSteps && world.Now < until; steps++)
        {
            if (world.Step())
            {
                pause = FirstPause;
            }
            else if (world.Promises.StillOpen() is null)
            {
                return;
            }
            else
            {
                world.Pass(pause);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        throw new PromiseBrokenException($"an hour without a fault has not been enough: {world.Promises.StillOpen() ?? "somebody is still busy"}");
    }
}
