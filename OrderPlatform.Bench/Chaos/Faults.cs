using OrderPlatform.Engines.Faults;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Bench.Chaos;

/// <summary>Something that goes wrong on purpose. It begins, lasts, and ends; a blow has no length and no end.</summary>
/// <param name="Kind">What goes wrong.</param>
/// <param name="Target">Where.</param>
/// <param name="Length">How long it lasts; zero for a blow.</param>
internal abstract record Fault(string Kind, string Target, TimeSpan Length)
{
    /// <summary>Kind and target: what it is chosen by.</summary>
    public string Name => $"{Kind} {Target}";

    /// <summary>The same fault with another length; a blow stays one.</summary>
    public Fault Lasting(TimeSpan? length) => length is { } other && Length > TimeSpan.Zero ? this with { Length = other } : this;

    /// <summary>Whether it needs a host that was started with --fault-port.</summary>
    public virtual bool NeedsNetwork => false;

    /// <summary>Makes it go wrong.</summary>
    public abstract Task BeginAsync(ChaosHost host, CancellationToken cancellation);

    /// <summary>Lets it be well again.</summary>
    public virtual Task EndAsync(ChaosHost host, CancellationToken cancellation) => Task.CompletedTask;
}

/// <summary>Nothing: how long the probe takes when all is well.</summary>
internal sealed record Calm() : Fault("calm", "", TimeSpan.Zero)
{
    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => Task.CompletedTask;
}

/// <summary>kill -9; the host starts the process again.</summary>
internal sealed record Kill(string Target) : Fault("kill", Target, TimeSpan.Zero)
{
    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => host.SignalAsync("KILL", Target, cancellation);
}

/// <summary>A stop in good order; the host starts the process again.</summary>
internal sealed record Restart(string Target) : Fault("restart", Target, TimeSpan.Zero)
{
    /// <inheritdoc />
    public override async Task BeginAsync(ChaosHost host, CancellationToken cancellation) =>
        await ChaosHost.UntilGoneAsync(await host.SignalAsync(Target == "postgres" ? "INT" : "TERM", Target, cancellation), cancellation);
}

/// <summary>SIGSTOP, later SIGCONT: the process does not know that time has passed.</summary>
internal sealed record Stop(string Target, TimeSpan Length) : Fault("stop", Target, Length)
{
    private int _pid;

    /// <inheritdoc />
    public override async Task BeginAsync(ChaosHost host, CancellationToken cancellation) => _pid = await host.SignalAsync("STOP", Target, cancellation);

    /// <inheritdoc />
    public override Task EndAsync(ChaosHost host, CancellationToken cancellation)
    {
        ChaosHost.Signal("CONT", _pid);
        return Task.CompletedTask;
    }
}

/// <summary>Every connection to an engine is reset.</summary>
internal sealed record Cut(string Target) : Fault("cut", Target, TimeSpan.Zero)
{
    /// <inheritdoc />
    public override bool NeedsNetwork => true;

    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => host.CutAsync(Target, cancellation);
}

/// <summary>The network before an engine is slow, loses answers or stalls.</summary>
internal sealed record BadNetwork(string Kind, string Target, TimeSpan Length, NetworkFault Fault) : Fault(Kind, Target, Length)
{
    /// <inheritdoc />
    public override bool NeedsNetwork => true;

    /// <summary>Every piece, to and fro, takes so much longer.</summary>
    public static BadNetwork Slow(string engine, TimeSpan length, int delayMs) => new("slow", engine, length, new NetworkFault(DelayMs: delayMs));

    /// <summary>A part of the answers is lost together with the connection, after the engine has done what was asked.</summary>
    public static BadNetwork Lossy(string engine, TimeSpan length, double lostAnswers) => new("lossy", engine, length, new NetworkFault(LostAnswers: lostAnswers));

    /// <summary>Nothing arrives, nothing ends.</summary>
    public static BadNetwork Stalled(string engine, TimeSpan length) => new("stall", engine, length, new NetworkFault(Stalled: true));

    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => host.NetworkAsync(Target, Fault, cancellation);

    /// <inheritdoc />
    public override Task EndAsync(ChaosHost host, CancellationToken cancellation) => host.NetworkAsync(Target, NetworkFault.None, cancellation);
}

/// <summary>FLUSHALL: Redis has lost everything and is built again from the log.</summary>
internal sealed record Flush() : Fault("flush", "redis", TimeSpan.Zero)
{
    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => host.FlushRedisAsync();
}

/// <summary>A table of ClickHouse refuses inserts with TOO_MANY_PARTS, as one that merges too slowly does. Of a view's target, the facts themselves are in by then.</summary>
internal sealed record RefuseInserts(string Table, TimeSpan Length) : Fault("refuse", Table, Length)
{
    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) => host.ClickHouseAsync($"ALTER TABLE {Table} MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1", cancellation);

    /// <inheritdoc />
    public override Task EndAsync(ChaosHost host, CancellationToken cancellation) => host.ClickHouseAsync($"ALTER TABLE {Table} RESET SETTING parts_to_throw_insert, parts_to_delay_insert", cancellation);
}

/// <summary>
/// Two relays at once: another one is started, the host's own is stopped for longer than its lease lasts, so that the other
/// takes over, and wakes up believing that it still owns. Then the other is killed.
/// </summary>
internal sealed record SecondRelay(TimeSpan Length) : Fault("second", "relay", Length)
{
    private readonly Stop _own = new("relay", Length);
    private ChildProcess? _other;

    /// <inheritdoc />
    public override async Task BeginAsync(ChaosHost host, CancellationToken cancellation)
    {
        _other = await host.StartRelayAsync(cancellation);
        await _own.BeginAsync(host, cancellation);
    }

    /// <inheritdoc />
    public override async Task EndAsync(ChaosHost host, CancellationToken cancellation)
    {
        await _own.EndAsync(host, cancellation);
        if (_other is not null)
        {
            await _other.KillAsync();
            await _other.DisposeAsync();
        }
    }
}

/// <summary>Two blows at the same moment.</summary>
internal sealed record Both(Fault First, Fault Second) : Fault("both", $"{First.Target}+{Second.Target}", TimeSpan.Zero)
{
    /// <inheritdoc />
    public override bool NeedsNetwork => First.NeedsNetwork || Second.NeedsNetwork;

    /// <inheritdoc />
    public override Task BeginAsync(ChaosHost host, CancellationToken cancellation) =>
        Task.WhenAll(First.BeginAsync(host, cancellation), Second.BeginAsync(host, cancellation));
}
