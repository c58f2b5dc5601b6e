using System.Collections.Concurrent;
using System.Diagnostics;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>
/// One rebuild, by one holder: the shadow is built up to the end of the topic, compared with the live store at the same offsets, and
/// swapped in. It can be run again from any point: all that counts is in the stores.
/// </summary>
internal sealed class Rebuild(RebuildJob job, Rebuildable projection, RebuildJobs jobs, NpgsqlDataSource orders, IAdminClient kafka, IConfiguration configuration)
{
    private const string Comparing = "comparing";
    private const string Swapping = "swapping";

    /// <summary>The live consumer is held for no longer.</summary>
    internal static readonly TimeSpan LongestHold = TimeSpan.FromSeconds(5);

    // a live store that is behind for longer is not compared with
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    // the heartbeat looks at it, too
    private readonly ConcurrentDictionary<int, long> _next = new();
    private readonly List<Record> _ahead = [];
    private RebuildJob _job = job;
    private IShadow? _shadow;
    private IReadOnlyDictionary<int, (long Low, long High)> _borders = new Dictionary<int, (long Low, long High)>();
    private long _logEnd;
    private (long Since, long Done)? _reading;

    /// <summary>Events that the shadow has taken.</summary>
    public long Done => _borders.Sum(partition => Math.Max(0, _next.GetValueOrDefault(partition.Key) - partition.Value.Low)) + Math.Min(_logEnd, _next.GetValueOrDefault(EventLogSource.Partition));

    /// <summary>Events that there were to read when it began; null before that is known.</summary>
    public long? Total => _borders.Count == 0 ? null : Math.Max(Done, _borders.Sum(partition => partition.Value.High - partition.Value.Low) + _logEnd);

    /// <summary>Events a second of this holder; null when it is not reading.</summary>
    public double? PerSecond => _reading is { } reading ? (Done - reading.Done) / Stopwatch.GetElapsedTime(reading.Since).TotalSeconds : null;

    private IShadow Shadow => _shadow ??= projection.ShadowOf(_job);

    /// <summary>Runs it to its end.</summary>
    /// <returns>False: it was cancelled.</returns>
    /// <exception cref="RebuildFailedException">It cannot be done.</exception>
    /// <exception cref="Exception">A store is away, or another holder goes on: run it again.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        if (_job.State == Swapping && await Shadow.IsSwappedAsync(cancellation))
        {
            return true;
        }
        await FindBeginningAsync(cancellation);
        await Shadow.CreateAsync(cancellation);
        await ResumeAsync(cancellation);
        if (_job.LogHorizon is { } horizon)
        {
            await ReadLogAsync(new EventLogSource(orders, projection.Topic, horizon), cancellation);
        }
        await using var reader = new TopicReader(configuration, projection.Topic, _next, _job.LogCovers ?? new Dictionary<int, long>(), Shadow.Sink.MaxBatch);
        await AdvanceAsync(reader, _borders.ToDictionary(partition => partition.Key, partition => partition.Value.High), cancellation);
        await jobs.BeatAsync(_job, Done, Total, PerSecond, problem: null, cancellation);
        _reading = null;
        await Shadow.CompleteAsync(cancellation);

        reader.Linger = TimeSpan.FromMilliseconds(5);
        if (_job.State != Swapping)
        {
            if (!await TryEnterAsync(Comparing, cancellation))
            {
                return false;
            }
            await jobs.ComparedAsync(_job, await CompareAsync(reader, cancellation), cancellation);
            if (_job.OnlyCompare)
            {
                return true;
            }
            if (!await TryEnterAsync(Swapping, cancellation))
            {
                return false;
            }
        }
        await SwapAsync(reader, cancellation);
        return true;
    }

    /// <summary>Removes what is left of the shadow, or what it has replaced.</summary>
    public Task DropAsync(CancellationToken cancellation) => Shadow.DropAsync(cancellation);

    private async Task<bool> TryEnterAsync(string state, CancellationToken cancellation)
    {
        _job = _job with { State = state };
        return await jobs.TryEnterAsync(_job, state, cancellation);
    }

    private async Task ResumeAsync(CancellationToken cancellation)
    {
        _ahead.Clear();
        _next.Clear();
        var partitions = Enumerable.Range(0, Topics.Partitions).Append(EventLogSource.Partition).Select(partition => new TopicPartition(projection.Topic, partition)).ToList();
        foreach (var (partition, next) in await Shadow.Sink.ResumeAsync(partitions, cancellation))
        {
            _next[partition.Partition.Value] = next;
        }
        _reading ??= (Stopwatch.GetTimestamp(), Done);
    }

    private async Task FindBeginningAsync(CancellationToken cancellation)
    {
        _borders = await TopicReader.BordersAsync(kafka, projection.Topic);
        if (_job.LogHorizon is null && _borders.Any(partition => partition.Value.Low > 0))
        {
            // in this order: what Kafka has by now was written by transactions below the horizon
            var covers = _borders.ToDictionary(partition => partition.Key, partition => partition.Value.High);
            _job = _job with { LogHorizon = await EventLogSource.HorizonAsync(orders, cancellation), LogCovers = covers };
            _shadow = null; // it needs the horizon, too
        }
        await jobs.ReadsAsync(_job, cancellation);
    }

    // what Kafka does not keep any more is in the log, and so is most of what it keeps: repeats drop by their sequence
    private async Task ReadLogAsync(EventLogSource log, CancellationToken cancellation)
    {
        _logEnd = await log.EstimateAsync(cancellation);
        _reading = (Stopwatch.GetTimestamp(), Done);
        while (await log.ReadAsync(_next[EventLogSource.Partition], Shadow.Sink.MaxBatch, cancellation) is { Count: > 0 } batch)
        {
            await WriteAsync(batch, cancellation);
        }
        await Shadow.FlushAsync(cancellation);
        _borders = await TopicReader.BordersAsync(kafka, projection.Topic); // time has passed
        await Shadow.SkipToAsync(_borders.ToDictionary(partition => partition.Key, partition => partition.Value.Low), cancellation);
        await ResumeAsync(cancellation);
        _next[EventLogSource.Partition] = _logEnd;
    }

    // to these offsets exactly: what is read beyond them waits
    private async Task AdvanceAsync(TopicReader reader, IReadOnlyDictionary<int, long> to, CancellationToken cancellation)
    {
        IReadOnlyList<Record> batch = [.. _ahead];
        _ahead.Clear();
        while (true)
        {
            var within = batch.ToLookup(record => record.Source.Offset.Value < to.GetValueOrDefault(record.Source.Partition.Value));
            _ahead.AddRange(within[false]);
            await WriteAsync([.. within[true]], cancellation);
            if (to.All(partition => _next[partition.Key] >= partition.Value))
            {
                await Shadow.FlushAsync(cancellation);
                return;
            }
            batch = await reader.NextAsync(cancellation);
        }
    }

    private async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        if (batch.Count > 0)
        {
            await Shadow.Sink.WriteAsync(batch, cancellation);
        }
        foreach (var record in batch)
        {
            _next[record.Source.Partition.Value] = record.Source.Offset.Value + 1;
        }
    }

    private async Task<Comparison> CompareAsync(TopicReader reader, CancellationToken cancellation)
    {
        if (await LiveAsync(cancellation) is not { } live)
        {
            return new Comparison(Equal: false, Live: null, await Shadow.SummarizeAsync(cancellation));
        }
        await AdvanceAsync(reader, await WithinAsync(live.Offsets), cancellation);
        var rebuilt = await Shadow.SummarizeAsync(cancellation);
        return new Comparison((live.Count, live.Amount, live.Hash) == (rebuilt.Count, rebuilt.Amount, rebuilt.Hash), live, rebuilt);
    }

    // the live store, no earlier than where the shadow stands; null when it does not come there
    private async Task<StoreSummary?> LiveAsync(CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Patience);
        try
        {
            while (true)
            {
                var live = await Shadow.SummarizeLiveAsync(bound.Token);
                if (_next.All(partition => partition.Key < 0 || live.Offsets.GetValueOrDefault(partition.Key) >= partition.Value))
                {
                    return live;
                }
                await Task.Delay(Poll, bound.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task SwapAsync(TopicReader reader, CancellationToken cancellation)
    {
        // what came during the comparison, and then what came during that: little is left for when the live consumer is held
        for (var round = 0; round < 2; round++)
        {
            await AdvanceAsync(reader, await EndsAsync(), cancellation);
        }
        while (!await Shadow.TrySwapAsync(live => AdvanceSoonAsync(reader, live, cancellation), cancellation))
        {
            await Task.Delay(Poll, cancellation);
        }
    }

    private async Task AdvanceSoonAsync(TopicReader reader, IReadOnlyDictionary<int, long> live, CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(LongestHold);
        try
        {
            await AdvanceAsync(reader, await WithinAsync(live), bound.Token);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"What the live store has more was not read within {LongestHold.TotalSeconds:0} s. The swap is tried again.", e);
        }
    }

    private async Task<IReadOnlyDictionary<int, long>> EndsAsync() =>
        (await TopicReader.BordersAsync(kafka, projection.Topic)).ToDictionary(partition => partition.Key, partition => partition.Value.High);

    // a live store may stand beyond the end of a topic that was lost and restored: nothing comes there
    private async Task<IReadOnlyDictionary<int, long>> WithinAsync(IReadOnlyDictionary<int, long> live)
    {
        var ends = await EndsAsync();
        return live.Where(partition => partition.Key >= 0).ToDictionary(partition => partition.Key, partition => Math.Min(partition.Value, ends[partition.Key]));
    }
}
