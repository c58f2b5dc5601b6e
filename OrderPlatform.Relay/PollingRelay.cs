using System.Diagnostics;
using Confluent.Kafka;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Publishing;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>
/// Carries the event log to Kafka: takes the lease, then reads, publishes and moves the checkpoint after the
/// acknowledgement, for as long as it holds the lease. Whatever fails, it starts again from the checkpoint: events are then
/// repeated, never lost and never reversed.
/// </summary>
public sealed class PollingRelay(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IConfiguration configuration, IOptions<RelayOptions> options, RelayState state, ILogger<PollingRelay> log)
    : BackgroundService
{
    private const string LeaseName = "polling";
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RedriveInterval = TimeSpan.FromSeconds(1);

    // under load the checkpoint moves this often: what was published since is repeated after a crash, which is cheaper than a write for each batch
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var retry = FirstRetry;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await OwnAsync(stoppingToken))
                {
                    retry = FirstRetry;
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or KafkaException or LeaseLostException or TimeoutException or OperationCanceledException or InvalidOperationException)
            {
                state.NotPublishing(e.Message);
                RelayLog.Restarting(log, e.Message, retry.TotalSeconds);
                retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
            }
            await Task.Delay(retry, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>False when somebody else holds the lease.</returns>
    private async Task<bool> OwnAsync(CancellationToken stopping)
    {
        await using var connection = await source.OpenConnectionAsync(stopping);
        if (await Lease.TryTakeAsync(connection, LeaseName, options.Value.LeaseTimeout, stopping) is not { } lease)
        {
            state.Waiting();
            return false;
        }
        RelayLog.LeaseTaken(log, lease.Name, lease.Epoch);
        await SetUpAsync(connection, stopping);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var beating = BeatAsync(lease, ending.Token);
        var publishing = PublishAsync(connection, lease, ending.Token);
        try
        {
            // either ends the ownership: a relay that cannot say that it is alive must not publish
            await await Task.WhenAny(beating, publishing);
            return true;
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(beating, publishing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ReleaseAsync(lease);
        }
    }

    private async Task PublishAsync(NpgsqlConnection connection, Lease lease, CancellationToken cancellation)
    {
        using var publisher = new KafkaPublisher(configuration.Required(Connections.Kafka), options.Value.MaxEventBytes);
        var parked = await ParkedEvents.LoadAsync(connection, cancellation);
        var done = await CheckpointStore.LoadAsync(connection, lease, cancellation);
        var (unsaved, savedAt) = (false, Stopwatch.GetTimestamp());
        var pause = options.Value.ShortestPause;
        var redrivenAt = Stopwatch.GetTimestamp();
        while (true)
        {
            if (Stopwatch.GetElapsedTime(redrivenAt) > RedriveInterval)
            {
                await parked.RedriveAsync(connection, lease, publisher, cancellation);
                redrivenAt = Stopwatch.GetTimestamp();
            }
            var batch = await PollingReader.ReadAsync(connection, done, options.Value.BatchSize, cancellation);
            if (batch.Events.Count > 0)
            {
                await PublishTracedAsync(connection, lease, publisher, parked, batch.Events, cancellation);
                state.Published(batch.Events);
                unsaved = true;
                pause = options.Value.ShortestPause;
            }
            done = batch.After;
            if (unsaved && (batch.Events.Count == 0 || Stopwatch.GetElapsedTime(savedAt) > SaveInterval))
            {
                await CheckpointStore.SaveAsync(connection, lease, done, cancellation);
                (unsaved, savedAt) = (false, Stopwatch.GetTimestamp());
            }
            state.Progressed();
            if (batch.Events.Count < options.Value.BatchSize)
            {
                await Task.Delay(pause, cancellation);
                pause = batch.Events.Count > 0 ? options.Value.ShortestPause : Longer(pause);
            }
        }
    }

    private static async Task PublishTracedAsync(NpgsqlConnection connection, Lease lease, KafkaPublisher publisher, ParkedEvents parked, IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        using var span = EventSpans.StartBatch("relay publish", ActivityKind.Producer, events.Select(logged => logged.TraceParent));
        await PublishAsync(connection, lease, publisher, parked, events, cancellation);
        span.EndBatch(events.Select(logged => logged.TraceParent));
    }

    // After a refusal the rest of the batch goes one by one: what Kafka took already is repeated, and the next refusal names its event.
    private static async Task PublishAsync(NpgsqlConnection connection, Lease lease, KafkaPublisher publisher, ParkedEvents parked, IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var free = await parked.FilterAsync(connection, lease, events, cancellation);
        try
        {
            await publisher.PublishAsync(free, cancellation);
        }
        catch (EventRefusedException)
        {
            foreach (var logged in free)
            {
                foreach (var single in await parked.FilterAsync(connection, lease, [logged], cancellation))
                {
                    await PublishOneAsync(connection, lease, publisher, parked, single, cancellation);
                }
            }
        }
    }

    private static async Task PublishOneAsync(NpgsqlConnection connection, Lease lease, KafkaPublisher publisher, ParkedEvents parked, LoggedEvent logged, CancellationToken cancellation)
    {
        try
        {
            await publisher.PublishAsync([logged], cancellation);
        }
        catch (EventRefusedException e)
        {
            await parked.ParkAsync(connection, lease, logged, e.Message, cancellation);
        }
    }

    // Losing the last moves of the checkpoint to a crash only repeats events, so they need not wait for the disk. And what is open of
    // the log depends on the snapshot that is asked with: a plan for any snapshot would be one for the whole log.
    private static async Task SetUpAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SET synchronous_commit = off; SET plan_cache_mode = force_custom_plan", connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task BeatAsync(Lease lease, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(options.Value.LeaseTimeout / 6);
        var last = Stopwatch.GetTimestamp();
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            // a process that was stopped finds out here that its time is over, before it asks
            if (Stopwatch.GetElapsedTime(last) > options.Value.LeaseTimeout)
            {
                throw new LeaseLostException();
            }
            await lease.BeatAsync(source, cancellation);
            last = Stopwatch.GetTimestamp();
        }
    }

    private async Task ReleaseAsync(Lease lease)
    {
        try
        {
            using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await lease.ReleaseAsync(source, bound.Token);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // it runs out by itself
        }
    }

    private TimeSpan Longer(TimeSpan pause) => pause * 1.5 < options.Value.LongestPause ? pause * 1.5 : options.Value.LongestPause;
}
