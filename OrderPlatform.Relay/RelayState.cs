using System.Diagnostics.Metrics;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>What the relay is doing, for metrics and health.</summary>
public sealed class RelayState(TimeProvider clock)
{
    private readonly Counter<long> _published = Telemetry.Meter.CreateCounter<long>("orderplatform.relay.published", "{event}", "Events acknowledged by Kafka");
    private readonly Histogram<double> _lag = Telemetry.Meter.CreateHistogram<double>("orderplatform.relay.lag", "ms", "From an event's recording in PostgreSQL to Kafka's acknowledgement");

    private volatile string? _problem;

    /// <summary>Whether this relay holds the lease and publishes; another replica may.</summary>
    public bool IsPublishing { get; private set; }

    /// <summary>Why it does not publish although it should; null when all is well.</summary>
    public string? Problem => _problem;

    /// <summary>When the log was last seen to its end, or worked on.</summary>
    public DateTimeOffset LastProgress { get; private set; } = clock.GetUtcNow();

    /// <summary>Events were acknowledged.</summary>
    public void Published(IReadOnlyList<LoggedEvent> events)
    {
        var now = clock.GetUtcNow();
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
        LastProgress = clock.GetUtcNow();
    }

    /// <summary>Another relay publishes.</summary>
    public void Waiting()
    {
        _problem = null;
        IsPublishing = false;
        LastProgress = clock.GetUtcNow();
    }

    /// <summary>Publishing broke off.</summary>
    public void NotPublishing(string problem)
    {
        _problem = problem;
        IsPublishing = false;
    }
}
