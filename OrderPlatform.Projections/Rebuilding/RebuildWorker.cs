using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>Works on rebuilds and resets that were requested, and on those whose holder has died: one at a time in each process.</summary>
internal sealed partial class RebuildWorker(
    RebuildJobs jobs, IEnumerable<Rebuildable> projections, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IAdminClient kafka, IConfiguration configuration, ILogger<RebuildWorker> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly string _holder = $"{Environment.MachineName}/{Environment.ProcessId}";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (await jobs.ClaimAsync(_holder, stoppingToken) is { } job)
                {
                    await WorkAsync(job, projections.Single(projection => projection.Name == job.Projection), stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested && e is not OutOfMemoryException)
            {
                // the row is still open: whoever sees it silent goes on with it
                LogLeft(log, e.Message);
            }
        }
    }

    private async Task WorkAsync(RebuildJob job, Rebuildable projection, CancellationToken stopping)
    {
        if (job.IsReset)
        {
            await projection.ResetAsync(await OffsetsAsync(job, projection.Topic), stopping);
            await jobs.FinishAsync(job, "done", problem: null, stopping);
            LogReset(log, job.Projection);
            return;
        }
        LogTaken(log, job.Projection, job.Id, job.State);
        var rebuild = new Rebuild(job, projection, jobs, orders, kafka, configuration);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var beats = new Heartbeat(jobs, job, rebuild, ending);
        try
        {
            var (state, problem) = await EndAsync(rebuild, beats, ending.Token);
            await rebuild.DropAsync(stopping);
            await jobs.FinishAsync(job, state, problem, stopping);
            LogEnded(log, job.Projection, job.Id, state, problem ?? "");
        }
        finally
        {
            await ending.CancelAsync();
            await beats.Stopped;
        }
    }

    // how it ends; a store that is away is waited for
    private async Task<(string State, string? Problem)> EndAsync(Rebuild rebuild, Heartbeat beats, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return (await rebuild.RunAsync(cancellation) ? "done" : "cancelled", null);
            }
            catch (OperationCanceledException) when (beats.IsCancelRequested)
            {
                return ("cancelled", null);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                throw beats.IsLost ? new RebuildLostException() : new OperationCanceledException(cancellation);
            }
            catch (Exception e) when (e is RebuildFailedException or FormatException)
            {
                return ("failed", e.Message);
            }
            catch (Exception e) when (e is not (RebuildLostException or OutOfMemoryException))
            {
                LogBrokenOff(log, e.Message);
                beats.Problem = e.Message;
                await Task.Delay(Interval, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                beats.Problem = null;
            }
        }
    }

    private async Task<IReadOnlyDictionary<int, long>> OffsetsAsync(RebuildJob job, string topic)
    {
        if (job.FromOffset is { } offset)
        {
            return Enumerable.Range(0, Topics.Partitions).ToDictionary(partition => partition, _ => offset);
        }
        var at = OffsetSpec.ForTimestamp(job.FromTime!.Value.ToUnixTimeMilliseconds());
        var found = await kafka.ListOffsetsAsync(Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartitionOffsetSpec { TopicPartition = new TopicPartition(topic, partition), OffsetSpec = at }));
        // a partition without a record since then stays where it is
        return found.ResultInfos.Select(result => result.TopicPartitionOffsetError).Where(found => found.Offset.Value >= 0).ToDictionary(found => found.Partition.Value, found => found.Offset.Value);
    }

    [LoggerMessage(30, LogLevel.Information, "Rebuilding {Projection} ({Id}), from the state {State} on")]
    private static partial void LogTaken(ILogger logger, string projection, Guid id, string state);

    [LoggerMessage(31, LogLevel.Information, "The rebuild of {Projection} ({Id}) is {State} {Problem}")]
    private static partial void LogEnded(ILogger logger, string projection, Guid id, string state, string problem);

    [LoggerMessage(34, LogLevel.Warning, "A rebuild broke off and goes on from its shadow's progress: {Reason}")]
    private static partial void LogBrokenOff(ILogger logger, string reason);

    [LoggerMessage(33, LogLevel.Warning, "A rebuild or reset was left to whoever comes next: {Reason}")]
    private static partial void LogLeft(ILogger logger, string reason);

    [LoggerMessage(32, LogLevel.Information, "The progress of {Projection} was set back")]
    private static partial void LogReset(ILogger logger, string projection);
}

/// <summary>Tells the row every second that its holder lives, and the holder when it is to end.</summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _own;

    public Heartbeat(RebuildJobs jobs, RebuildJob job, Rebuild rebuild, CancellationTokenSource ending)
    {
        _own = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        Stopped = BeatAsync(jobs, job, rebuild, ending, _own.Token);
    }

    /// <summary>Completes once it has stopped.</summary>
    public Task Stopped { get; }

    /// <summary>Why the rebuild does not go on at the moment.</summary>
    public string? Problem { get; set; }

    /// <summary>Somebody wants it to be cancelled.</summary>
    public bool IsCancelRequested { get; private set; }

    /// <summary>Another process has taken over.</summary>
    public bool IsLost { get; private set; }

    public void Dispose() => _own.Dispose();

    private async Task BeatAsync(RebuildJobs jobs, RebuildJob job, Rebuild rebuild, CancellationTokenSource ending, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping) && !IsCancelRequested)
            {
                try
                {
                    // not broken off: the last one may be under way when the rebuild has ended
                    IsCancelRequested = await jobs.BeatAsync(job, rebuild.Done, rebuild.Total, rebuild.PerSecond, Problem, CancellationToken.None);
                }
                catch (NpgsqlException)
                {
                    // the database is away; so is whoever would take over
                }
            }
        }
        catch (RebuildLostException)
        {
            IsLost = true;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return;
        }
        await ending.CancelAsync();
    }
}
