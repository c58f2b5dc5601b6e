using System.Diagnostics;
using Npgsql;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay.Publishing;

/// <summary>Publishes what was read, however it was: in order, except for what is parked.</summary>
/// <param name="connection">The owner's.</param>
public sealed class EventPublisher(NpgsqlConnection connection, Lease lease, KafkaPublisher kafka, ParkedEvents parked, RelayState state)
{
    private static readonly TimeSpan RedriveInterval = TimeSpan.FromSeconds(1);

    private long _redrivenAt = Stopwatch.GetTimestamp();

    /// <summary>
    /// Returns once each event is acknowledged by Kafka or parked; the list must not be changed afterwards. Called about once a second also
    /// without events, since it publishes parked ones when it is their turn.
    /// </summary>
    public async Task PublishAsync(IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        if (Stopwatch.GetElapsedTime(_redrivenAt) > RedriveInterval)
        {
            await parked.RedriveAsync(connection, lease, kafka, cancellation);
            _redrivenAt = Stopwatch.GetTimestamp();
        }
        if (events.Count == 0)
        {
            return;
        }
        using var span = EventSpans.StartBatch("relay publish", ActivityKind.Producer, events.Select(logged => logged.TraceParent));
        await PublishOrParkAsync(events, cancellation);
        span.EndBatch(events.Select(logged => logged.TraceParent));
        state.Published(events);
    }

    // After a refusal the rest of the batch goes one by one: what Kafka took already is repeated, and the next refusal names its event.
    private async Task PublishOrParkAsync(IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var free = await parked.FilterAsync(connection, lease, events, cancellation);
        try
        {
            await kafka.PublishAsync(free, cancellation);
        }
        catch (EventRefusedException)
        {
            foreach (var logged in free)
            {
                foreach (var single in await parked.FilterAsync(connection, lease, [logged], cancellation))
                {
                    await PublishOneAsync(single, cancellation);
                }
            }
        }
    }

    private async Task PublishOneAsync(LoggedEvent logged, CancellationToken cancellation)
    {
        try
        {
            await kafka.PublishAsync([logged], cancellation);
        }
        catch (EventRefusedException e)
        {
            await parked.ParkAsync(connection, lease, logged, e.Message, cancellation);
        }
    }
}
