using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using OrderPlatform.Bench.Load;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Chaos;

/// <summary>What a run is asked for.</summary>
/// <param name="Seed">Makes the plan and the orders.</param>
/// <param name="Duration">How long faults come; the run goes on until everything has been compared.</param>
/// <param name="PerSecond">Orders a second.</param>
/// <param name="RecoveryObjective">What the p99 of recovery is held against.</param>
/// <param name="FaultLength">Of each fault that lasts at all; null leaves that to the plan.</param>
internal sealed record ChaosOptions(int Seed, TimeSpan Duration, int PerSecond, TimeSpan RecoveryObjective, TimeSpan? FaultLength = null);

/// <summary>One fault that happened.</summary>
/// <param name="AtSeconds">When it began, in seconds of the run.</param>
/// <param name="LengthMs">How long it lasted, in milliseconds.</param>
/// <param name="Error">Why it could not be brought about; null when it was.</param>
internal sealed record FaultResult(int Number, string Kind, string Target, double AtSeconds, int LengthMs, Recovery Recovery, string? Error);

/// <summary>Load, faults one after the other with a probe behind each, then the proof.</summary>
internal sealed class ChaosRun(RunningHost host, ChaosOptions options, string librdkafka)
{
    private static readonly string[] MustBeEmpty = ["saga_unsettled", "stock_difference", "gateway_difference"];
    private static readonly TimeSpan SettleBound = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan AgreeBound = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private const int ShortestGapMs = 300;
    private const int LongestGapMs = 2000;
    private const int Connections = 128;

    private readonly ConcurrentQueue<FaultResult> _faults = [];
    private readonly long _since = Stopwatch.GetTimestamp();

    /// <summary>What happens at this moment.</summary>
    public string Now { get; private set; } = "preparing";

    /// <summary>The load, once it has begun.</summary>
    public ChaosLoad? Load { get; private set; }

    /// <summary>The faults so far.</summary>
    public IReadOnlyCollection<FaultResult> Faults => _faults;

    /// <summary>How long it runs.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_since);

    /// <summary>Goes through the plan, to its end or until the time is over, and proves what is left.</summary>
    public async Task<ChaosReport> RunAsync(IEnumerable<Fault> plan, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        var run = $"chaos-{Guid.NewGuid().ToString("N")[..8]}";
        using var api = host.Client(Connections);
        using var target = new ChaosHost(host, librdkafka);
        using var kafka = new KafkaWatch(host.Kafka);
        await using var stores = new Stores(host, kafka);
        var startedAt = TimeProvider.System.GetUtcNow();
        var loadAverage = Machine.LoadAverage;

        Load = new ChaosLoad(api, run, options.Seed);
        await Load.StockAsync(cancellation);
        var probe = new RecoveryProbe(api, stores, Load.CustomerPrefix + "probe", run + "-p0");
        var since = Elapsed;
        var faulting = FaultAsync(target, plan, probe, cancellation);
        try
        {
            await OrderLoad.AtRateAsync(options.PerSecond, _ => !faulting.IsCompleted, () => Load.OneAsync(cancellation), cancellation);
        }
        finally
        {
            await faulting; // also when the run is called off: the fault of that moment ends
        }
        var lasted = Elapsed - since;

        var unsettled = await SettledAsync(stores, cancellation);
        var differences = await AgreeAsync(stores, [.. Load.Promises, .. probe.Promises], cancellation);
        Now = "the platform's own audits";
        return new ChaosReport
        {
            Machine = Machine.Description,
            LoadAverage = [loadAverage, Machine.LoadAverage],
            Versions = await stores.VersionsAsync(cancellation),
            StartedAt = startedAt,
            Seed = options.Seed,
            Seconds = Math.Round(lasted.TotalSeconds),
            PerSecond = options.PerSecond,
            RecoveryObjectiveSeconds = options.RecoveryObjective.TotalSeconds,
            FaultyNetwork = target.HasFaultyNetwork,
            Faults = [.. _faults],
            Orders = Load.Placed + probe.Promises.Count,
            HeldBack = Load.HeldBack,
            Requests = Load.Requests,
            RepeatedOnPurpose = Load.Repeats,
            Failures = Load.Failures,
            RepeatsInKafka = kafka.Repeats,
            Promises = Load.Promises.Count + probe.Promises.Count,
            Differences = differences,
            Broken = [.. Load.Broken],
            Unsettled = unsettled,
            Audit = await AuditOutcome.AskAsync(api, cancellation),
        };
    }

    private async Task FaultAsync(ChaosHost target, IEnumerable<Fault> plan, RecoveryProbe probe, CancellationToken cancellation)
    {
        var gaps = new Random(options.Seed);
        var begun = Elapsed;
        foreach (var fault in plan.Where(fault => target.HasFaultyNetwork || !fault.NeedsNetwork))
        {
            Now = "nothing, for a moment";
            await Task.Delay(gaps.Next(ShortestGapMs, LongestGapMs), cancellation);
            if (Elapsed - begun > options.Duration)
            {
                return;
            }
            _faults.Enqueue(await OneAsync(target, fault, probe, (Elapsed - begun).TotalSeconds, cancellation));
        }
    }

    private async Task<FaultResult> OneAsync(ChaosHost target, Fault fault, RecoveryProbe probe, double at, CancellationToken cancellation)
    {
        Now = fault.Name;
        var since = Stopwatch.GetTimestamp();
        string? error = null;
        try
        {
            await fault.BeginAsync(target, cancellation);
            await Task.Delay(fault.Length, cancellation);
        }
        catch (Exception e) when (e is BenchException or HttpRequestException or RedisException or ClickHouseException or TimeoutException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            error = e.Message;
        }
        finally
        {
            if (fault.Length > TimeSpan.Zero)
            {
                since = Stopwatch.GetTimestamp();
                await fault.EndAsync(target, CancellationToken.None); // also when the run is called off: the host stays as it was
            }
        }
        Now = $"recovering from {fault.Name}";
        return new FaultResult(_faults.Count + 1, fault.Kind, fault.Target, Math.Round(at, 1), (int)fault.Length.TotalMilliseconds, await probe.RunAsync(since, cancellation), error);
    }

    // the views of migration 0006 say which sagas are under way, and what their end leaves wrong
    private async Task<IReadOnlyList<string>> SettledAsync(Stores stores, CancellationToken cancellation)
    {
        var since = Elapsed;
        while (true)
        {
            var rows = new List<string>();
            foreach (var view in MustBeEmpty)
            {
                rows.AddRange((await stores.UnsettledAsync(view, cancellation)).Select(row => $"{view}: {row}"));
            }
            if (rows.Count == 0 || Elapsed - since > SettleBound)
            {
                return rows;
            }
            Now = $"waiting for the sagas to end: {rows[0]}";
            await Task.Delay(Poll, cancellation);
        }
    }

    private async Task<IReadOnlyList<Difference>> AgreeAsync(Stores stores, IReadOnlyCollection<Promise> promises, CancellationToken cancellation)
    {
        Now = "comparing answers with the event log";
        var ofPromises = Comparison.OfPromises(promises, await stores.LogAsync(Load!.CustomerPrefix, cancellation)).ToList();
        ofPromises.AddRange((await stores.BrokenStreamsAsync(cancellation)).Select(stream => new Difference("event log", DifferenceKind.Lost, stream, "sequences without gap or repeat, up to the order's version", "others")));
        var since = Elapsed;
        while (true)
        {
            var ofStores = await DifferencesAsync(stores, cancellation);
            if (ofStores.Count == 0 || Elapsed - since > AgreeBound)
            {
                return [.. ofPromises, .. ofStores];
            }
            Now = $"waiting for the stores to agree: {ofStores.Count} differences, {ofStores[0]}";
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<IReadOnlyList<Difference>> DifferencesAsync(Stores stores, CancellationToken cancellation)
    {
        try
        {
            var source = await stores.SourceAsync(cancellation);
            return
            [
                .. stores.Kafka.Gaps,
                .. Comparison.OfStore("Kafka", source, [.. stores.Kafka.Orders.Values]),
                .. Comparison.OfStore("order view", source, await stores.OrderViewAsync(cancellation)),
                .. Comparison.OfStore("Redis status", source, await stores.StatusesAsync(source.Select(order => order.Id))),
                .. Comparison.OfStore("ClickHouse facts", source, await stores.FactsAsync(cancellation)),
                .. (await stores.SumsAsync(cancellation)).SelectMany(sum => Comparison.OfSums(sum.Of, sum.Source, sum.Derived)),
            ];
        }
        catch (Exception e) when (e is NpgsqlException or RedisException or ClickHouseException or HttpRequestException or TimeoutException)
        {
            return [new Difference("some store", DifferenceKind.Altered, "everything", "an answer", e.Message)]; // it is still on its way back
        }
    }
}
