using System.Diagnostics.Metrics;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>A heartbeat that came through the slot, with everything before it published.</summary>
/// <param name="At">When.</param>
/// <param name="Lag">Since it was written.</param>
internal sealed record PassedHeartbeat(DateTimeOffset At, TimeSpan Lag);

/// <summary>A slot that was found missing or lost.</summary>
/// <param name="At">When.</param>
/// <param name="Healing">What made it good.</param>
internal sealed record SlotLoss(string Slot, DateTimeOffset At, string Healing);

/// <summary>What a relay is doing, for metrics and health.</summary>
public class RelayState
{
    private readonly TimeProvider _clock;
    private readonly Counter<long> _published;
    private readonly Histogram<double> _lag = Telemetry.Meter.CreateHistogram<double>("orderplatform.relay.lag", "ms", "From an event's recording in PostgreSQL to Kafka's acknowledgement");
    private readonly Counter<long> _slotLost;

    private volatile string? _problem;
    private volatile SlotStatus? _slot;
    private volatile PassedHeartbeat? _heartbeat;
    private volatile SlotLoss? _loss;

    /// <summary>Nothing is published yet.</summary>
    /// <param name="name">In the names of its metrics.</param>
    public RelayState(TimeProvider clock, string name = "relay")
    {
        _clock = clock;
        LastProgress = clock.GetUtcNow();
        _published = Telemetry.Meter.CreateCounter<long>($"orderplatform.{name}.published", "{record}", "Records acknowledged by Kafka");
        _slotLost = Telemetry.Meter.CreateCounter<long>($"orderplatform.{name}.slot_lost", "{slot}", "Replication slots that were missing or lost, and were made again");
        Gauge($"orderplatform.{name}.slot_ready", "{slot}", "1 when PostgreSQL keeps all WAL of the relay's slot, 0 when it may give it up or has", () => _slot is { } slot ? slot.IsReady ? 1 : 0 : null);
        Gauge($"orderplatform.{name}.wal_lag", "By", "WAL that is written and that the relay has not confirmed", () => _slot?.LagBytes);
        Gauge($"orderplatform.{name}.wal_retained", "By", "WAL that PostgreSQL keeps for the relay's slot", () => _slot?.RetainedBytes);
        Gauge($"orderplatform.{name}.heartbeat_lag", "ms", "From the writing of the last heartbeat until it and everything before it was published", () => _heartbeat?.Lag.TotalMilliseconds);
        Gauge($"orderplatform.{name}.heartbeat_age", "ms", "Since the last heartbeat came through the slot", () => (clock.GetUtcNow() - _heartbeat?.At)?.TotalMilliseconds);
    }

    /// <summary>Whether this relay holds the lease and publishes; another replica may.</summary>
    public bool IsPublishing { get; private set; }

    /// <summary>Why it does not publish although it should; null when all is well.</summary>
    public string? Problem => _problem;

    /// <summary>When the log was last seen to its end, or worked on.</summary>
    public DateTimeOffset LastProgress { get; private set; }

    /// <summary>What it does while there is no slot.</summary>
    internal virtual string WithoutSlot => "publishing by polling";

    /// <summary>How the slot stood at the last heartbeat; null when polling.</summary>
    internal SlotStatus? Slot => _slot;

    /// <summary>The last heartbeat; null before the first, and when polling.</summary>
    internal PassedHeartbeat? Heartbeat => _heartbeat;

    /// <summary>The last loss of a slot; null when there was none.</summary>
    internal SlotLoss? Loss => _loss;

    /// <summary>Records were acknowledged.</summary>
    public void Published(int records) => _published.Add(records);

    /// <summary>Events were acknowledged.</summary>
    public void Published(IReadOnlyList<LoggedEvent> events)
    {
        var now = _clock.GetUtcNow();
        _published.Add(events.Count);
        foreach (var logged in events)
        {
            _lag.Record((now - logged.RecordedAt).TotalMilliseconds);
        }
    }

    /// <summary>The log was read, and what was read is published.</summary>
    public void Progressed()
    {
        _problem = null;
        IsPublishing = true;
        LastProgress = _clock.GetUtcNow();
    }

    /// <summary>Another relay publishes.</summary>
    public void Waiting()
    {
        (_problem, _slot, _heartbeat) = (null, null, null);
        IsPublishing = false;
        LastProgress = _clock.GetUtcNow();
    }

    /// <summary>Publishing broke off.</summary>
    public void NotPublishing(string problem)
    {
        (_problem, _slot, _heartbeat) = (problem, null, null);
        IsPublishing = false;
    }

    /// <summary>A slot that was there is missing or lost.</summary>
    internal void Lost(string slot, string healing)
    {
        _slotLost.Add(1);
        _loss = new SlotLoss(slot, _clock.GetUtcNow(), healing);
    }

    /// <summary>A heartbeat was written; the slot stands like this.</summary>
    internal void Stands(SlotStatus? slot) => _slot = slot;

    /// <summary>A heartbeat came through the slot.</summary>
    internal void Passed(Heartbeat heartbeat) => _heartbeat = new PassedHeartbeat(_clock.GetUtcNow(), _clock.GetUtcNow() - heartbeat.SentAt);

    private static void Gauge(string name, string unit, string description, Func<double?> value) =>
        Telemetry.Meter.CreateObservableGauge(name, () => value() is { } known ? [new Measurement<double>(known)] : Array.Empty<Measurement<double>>(), unit, description);
}
