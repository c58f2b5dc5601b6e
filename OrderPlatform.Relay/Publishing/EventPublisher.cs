using System.Diagnostics;
using Npgsql;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay.Publishing;

/// <summary>
/// Publishes what was read, however it was: in order, except for what is parked. While some batches wait for their acknowledgements
/// further ones are read and sent; they count as published in their order, each with all before it.
/// </summary>
/// <param name="connection">For what is written of parked events.</param>
/// <param name="maxUnderWay">Events that wait for their acknowledgements while others are read: enough for Kafka to have something to do. After a crash they are repeated.</param>
public sealed class EventPublisher(NpgsqlConnection connection, Lease lease, KafkaPublisher kafka, ParkedEvents parked, RelayState state, int maxUnderWay)
{
    private static readonly TimeSpan RedriveInterval = TimeSpan.FromSeconds(1);

    private readonly Queue<Batch> _underWay = [];
    private int _eventsUnderWay;
    private long _redrivenAt = Stopwatch.GetTimestamp();

    /// <summary>Ends when <see cref="SettleAsync"/> has something to do; null while nothing is under way.</summary>
    public Task? Acknowledgement => _underWay.TryPeek(out var oldest) ? oldest.Delivery.Acknowledged : null;

    /// <summary>
    /// Sends events; the list must not be changed afterwards. Called about once a second also without events, since it publishes parked
    /// ones when it is their turn. It waits when too much is under way.
    /// </summary>
    /// <param name="published">Called, by this method or a later one, once each event and everything before is acknowledged by Kafka or parked.</param>
    public async Task SendAsync(IReadOnlyList<LoggedEvent> events, Action published, CancellationToken cancellation)
    {
        if (Stopwatch.GetElapsedTime(_redrivenAt) > RedriveInterval)
        {
            await parked.RedriveAsync(connection, lease, kafka, cancellation);
            _redrivenAt = Stopwatch.GetTimestamp();
        }
        var span = EventSpans.StartBatch("relay publish", ActivityKind.Producer, events.Select(logged => logged.TraceParent));
        var free = await parked.FilterAsync(connection, lease, events, cancellation);
        var delivery = await kafka.SendAsync(free, cancellation);
        _underWay.Enqueue(new Batch(events, free, delivery, span, published));
        _eventsUnderWay += events.Count;
        while (_eventsUnderWay + _underWay.Count > maxUnderWay || (delivery.Acknowledged.IsFaulted && _underWay.Count > 0))
        {
            await SettleOldestAsync(cancellation);
        }
    }

    /// <summary>Counts as published what is acknowledged by now.</summary>
    public async Task SettleAsync(CancellationToken cancellation)
    {
        while (Acknowledgement?.IsCompleted == true)
        {
            await SettleOldestAsync(cancellation);
        }
    }

    /// <summary>Returns once nothing is under way.</summary>
    public async Task FinishAsync(CancellationToken cancellation)
    {
        while (_underWay.Count > 0)
        {
            await SettleOldestAsync(cancellation);
        }
    }

    private async Task SettleOldestAsync(CancellationToken cancellation)
    {
        try
        {
            await _underWay.Peek().Delivery.Acknowledged.WaitAsync(cancellation);
            Settled();
        }
        catch (EventRefusedException)
        {
            await SendOneByOneAsync(cancellation);
        }
    }

    private void Settled()
    {
        var batch = _underWay.Dequeue();
        _eventsUnderWay -= batch.Events.Count;
        batch.Span.EndBatch(batch.Events.Select(logged => logged.TraceParent));
        batch.Span?.Dispose();
        state.Published(batch.Events);
        batch.Published();
    }

    // After a refusal all that is under way goes once more, one by one: what Kafka took already is repeated, and the next refusal names its event.
    private async Task SendOneByOneAsync(CancellationToken cancellation)
    {
        kafka.Renew();
        while (_underWay.TryPeek(out var batch))
        {
            foreach (var logged in batch.Free)
            {
                foreach (var single in await parked.FilterAsync(connection, lease, [logged], cancellation))
                {
                    await SendOneAsync(single, cancellation);
                }
            }
            Settled();
        }
    }

    private async Task SendOneAsync(LoggedEvent logged, CancellationToken cancellation)
    {
        try
        {
            await kafka.PublishAsync([logged], cancellation);
        }
        catch (EventRefusedException e)
        {
            await parked.ParkAsync(connection, lease, logged, e.Message, cancellation);
            kafka.Renew();
        }
    }

    /// <param name="Events">As they were read.</param>
    /// <param name="Free">Those that no parked event stands before.</param>
    private sealed record Batch(IReadOnlyList<LoggedEvent> Events, IReadOnlyList<LoggedEvent> Free, Delivery Delivery, Activity? Span, Action Published);
}
