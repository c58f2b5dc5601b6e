using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation;

/// <summary>What an actor did in its turn.</summary>
internal enum Turn
{
    /// <summary>A step: others may make theirs now, or it crashes.</summary>
    Did,

    /// <summary>Nothing: there was nothing to do, or it waits for somebody.</summary>
    Idle,
}

/// <summary>
/// A process, or a part of one, as a sequence of steps. Its local variables are its memory: a crash between two steps drops them,
/// and it starts over from what is durable.
/// </summary>
internal abstract class Actor(World world, string name)
{
    private IEnumerator<Turn>? _steps;

    /// <summary>In the trace.</summary>
    public string Name => name;

    /// <summary>The step of the schedule up to which it stands still.</summary>
    public int PausedUntil { get; set; }

    /// <summary>It has come to its end; a service never does.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether it has begun, and neither ended nor crashed since.</summary>
    protected bool IsRunning => _steps is not null;

    /// <summary>Whether it starts over when it ends or crashes.</summary>
    protected virtual bool IsService => true;

    protected World World => world;

    protected Trace? Trace => world.Trace;

    /// <summary>One step, or the finding that there is none to make.</summary>
    public Turn Step()
    {
        try
        {
            _steps ??= Run().GetEnumerator();
            if (_steps.MoveNext())
            {
                return _steps.Current;
            }
            End();
        }
        catch (ConnectionLostException)
        {
            Trace?.Say(name, "finds its connection broken");
            End();
        }
        return Turn.Did;
    }

    /// <summary>It is killed where it stands.</summary>
    public void Crash()
    {
        Trace?.Say(name, "CRASHES");
        _steps?.Dispose();
        End();
    }

    protected abstract IEnumerable<Turn> Run();

    private void End() => (_steps, IsOver) = (null, !IsService);
}
