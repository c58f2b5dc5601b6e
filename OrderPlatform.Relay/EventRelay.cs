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

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => new Owner(source, LeaseName, options.Value.LeaseTimeout, state, log).RunAsync(PublishAsync, stoppingToken);

    private async Task PublishAsync(NpgsqlConnection connection, Lease lease, CancellationToken cancellation)
    {
        // what is written carries the lease's epoch: only what is read needs the backend that a successor ends
        await using var writing = await source.OpenConnectionAsync(cancellation);
        await SetUpAsync(connection, cancellation);
        await SetUpAsync(writing, cancellation);
        var slot = new RelaySlot(source, configuration.Required(Connections.Orders), options.Value.Slot, options.Value.SlotFailover);
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
}
