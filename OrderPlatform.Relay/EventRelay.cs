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
internal sealed class EventRelay(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IConfiguration configuration, IOptions<RelayOptions> options, RelayState state, ILogger<EventRelay> log)
    : BackgroundService
{
    // one for all modes: two relays never publish at once
    private const string LeaseName = "relay";
    private const int BatchesUnderWay = 3;
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1); // what a store that is back still waits for: a try costs it next to nothing

    private long _epoch; // of the last ownership here

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
        if (await Lease.TryTakeAsync(connection, LeaseName, options.Value.LeaseTimeout, _epoch, stopping) is not { } lease)
        {
            state.Waiting();
            return false;
        }
        _epoch = lease.Epoch;
        try
        {
            // either ends the ownership: a relay that cannot say that it is alive must not publish
            await Together.RunAsync(stopping, cancellation => BeatAsync(lease, cancellation), cancellation => PublishAsync(connection, lease, cancellation));
            return true;
        }
        finally
        {
            await ReleaseAsync(lease);
        }
    }

    private async Task PublishAsync(NpgsqlConnection connection, Lease lease, CancellationToken cancellation)
    {
        // what is written carries the lease's epoch: only what is read needs the backend that a successor ends
        await using var writing = await source.OpenConnectionAsync(cancellation);
        await SetUpAsync(connection, cancellation);
        await SetUpAsync(writing, cancellation);
        var slot = new RelaySlot(source, configuration.Required(Connections.Orders), options.Value);
        var canStream = await slot.IsPossibleAsync(cancellation);
        var mode = options.Value.Mode == RelayMode.Auto ? canStream ? RelayMode.Cdc : RelayMode.Polling : options.Value.Mode;
        RelayLog.LeaseTaken(log, lease.Name, lease.Epoch, mode);

        using var kafka = new KafkaPublisher(configuration.Required(Connections.Kafka), options.Value.MaxEventBytes);
        var publisher = new EventPublisher(writing, lease, kafka, await ParkedEvents.LoadAsync(writing, cancellation), state, BatchesUnderWay * options.Value.BatchSize);
        var checkpoints = new CheckpointStore(writing, lease);
        if (mode == RelayMode.Cdc)
        {
            await new CdcRelay(source, connection, slot, publisher, checkpoints, options.Value, state, log).RunAsync(cancellation);
            return;
        }
        var (done, told) = await checkpoints.LoadAsync(cancellation);
        if (canStream)
        {
            // nobody reads from it any more: it would only keep WAL
            await slot.DropAsync(told?.Slot ?? slot.Name, cancellation);
        }
        if (told is not null)
        {
            await checkpoints.SaveAsync(done, slot: null, cancellation);
        }
        await new PollingRelay(connection, publisher, checkpoints, options.Value, state).RunAsync(done, isEnough: _ => false, cancellation);
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
}
