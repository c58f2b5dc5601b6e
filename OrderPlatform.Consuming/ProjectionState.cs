using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Confluent.Kafka;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming;

/// <summary>How each projection does: for health, metrics, indicators and the "complete until" of answers.</summary>
public sealed class ProjectionState
{
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, Status> _projections = new();
    private readonly Counter<long> _records = Telemetry.Meter.CreateCounter<long>("orderplatform.projection.records", "{record}", "Records written, repeats included");
    private readonly Histogram<double> _freshness = Telemetry.Meter.CreateHistogram<double>("orderplatform.projection.freshness", "ms", "From an event's recording in PostgreSQL to its effect in the store");

    /// <param name="clock">The clock of lag and freshness.</param>
    public ProjectionState(TimeProvider clock)
    {
        _clock = clock;
        Telemetry.Meter.CreateObservableGauge("orderplatform.projection.lag", Lags, "{record}", "Records of a partition that are neither in the store nor parked");
    }

    /// <summary>Called with every batch that a store has taken: the store's name, its records and when they were in.</summary>
    public Action<string, IReadOnlyList<Record>, DateTimeOffset> Written { get; set; } = (_, _, _) => { };

    /// <summary>All projections by name.</summary>
    public IReadOnlyDictionary<string, Status> Projections => _projections;

    internal void Wrote(ISink sink, IReadOnlyList<Record> batch)
    {
        var now = _clock.GetUtcNow();
        var tag = KeyValuePair.Create<string, object?>("projection", sink.Name);
        _records.Add(batch.Count, tag);
        foreach (var record in batch)
        {
            _freshness.Record((now - record.RecordedAt).TotalMilliseconds, tag);
        }
        if (sink.Store is { } store)
        {
            Written(store, batch, now);
        }
    }

    /// <summary>Everything that the consumer has seen is in the store, or parked.</summary>
    internal void Caught(ISink sink, IConsumer<byte[], byte[]> consumer, HeldPartitions held, IReadOnlyDictionary<TopicPartition, DateTimeOffset> parkedSince)
    {
        var lag = held.Lag(consumer);
        _projections[sink.Name] = new Status(null, lag, held.CompleteUntil(lag, parkedSince, _clock.GetUtcNow()));
    }

    // what it held it may hold no more: nothing is said of it until it has caught up again
    internal void Failing(ISink sink, string problem) =>
        _projections[sink.Name] = new Status(problem, new Dictionary<TopicPartition, long>(), new Dictionary<TopicPartition, DateTimeOffset>());

    private IEnumerable<Measurement<long>> Lags() =>
        from projection in _projections
        from partition in projection.Value.Lag
        select new Measurement<long>(
            partition.Value,
            KeyValuePair.Create<string, object?>("projection", projection.Key),
            KeyValuePair.Create<string, object?>("topic", partition.Key.Topic),
            KeyValuePair.Create<string, object?>("partition", partition.Key.Partition.Value));

    /// <summary>How one projection does.</summary>
    /// <param name="Problem">Why it does not go on; null when it does.</param>
    /// <param name="Lag">Records of each partition that are neither in the store nor parked.</param>
    /// <param name="CompleteUntil">What was published to each partition before this is in the store, nothing of it parked; partitions of which it is not known are left out.</param>
    public sealed record Status(string? Problem, IReadOnlyDictionary<TopicPartition, long> Lag, IReadOnlyDictionary<TopicPartition, DateTimeOffset> CompleteUntil);
}
