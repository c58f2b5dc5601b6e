namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>How an indicator's value comes from its counts, and which side of the objective is right.</summary>
public enum IndicatorKind
{
    /// <summary>The 95th percentile of times in milliseconds, at most the objective.</summary>
    LatencyP95,

    /// <summary>The good part of all outcomes, at least the objective.</summary>
    GoodPart,

    /// <summary>The number of bad outcomes, at most the objective.</summary>
    BadCount,
}

/// <summary>A service level indicator and its objective.</summary>
/// <param name="Name">As in <c>/slo</c>.</param>
/// <param name="Store">The store that it is about; null when it is about none.</param>
/// <param name="Kind">Its value.</param>
/// <param name="Objective">In the value's unit.</param>
public sealed record Indicator(string Name, string? Store, IndicatorKind Kind, double Objective)
{
    /// <summary>From an event's recording in PostgreSQL to its handing to Kafka.</summary>
    public static readonly Indicator CdcLag = new("cdc.lag_ms.p95", null, IndicatorKind.LatencyP95, 5_000);

    /// <summary>Repeated requests that were recognised. One that comes after its key has expired is done again, and counts as not recognised.</summary>
    public static readonly Indicator DedupRate = new("idempotency.dedup_rate", null, IndicatorKind.GoodPart, 1);

    /// <summary>Rows that an audit found wrong, each counted by the first run that names it.</summary>
    public static readonly Indicator AuditViolations = new("audit.violation_count", null, IndicatorKind.BadCount, 0);

    /// <summary>Audits that compared everything and found it equal, of those that could compare.</summary>
    public static readonly Indicator ConsistencyPassRate = new("e2e.consistency_check.pass_rate", null, IndicatorKind.GoodPart, 0.9999);

    /// <summary>Every indicator, in the order of <c>/slo</c>.</summary>
    public static IReadOnlyList<Indicator> All { get; } =
        [CdcLag, Freshness("redis"), Freshness("clickhouse"), Freshness("order-view"), DedupRate, AuditViolations, ConsistencyPassRate];

    /// <summary>From an event's recording in PostgreSQL to its effect in a store. A rebuilt store counts too: it was stale until it had caught up.</summary>
    public static Indicator Freshness(string store) => new("derived.freshness_ms.p95", store, IndicatorKind.LatencyP95, 10_000);

    /// <summary>Its value.</summary>
    /// <param name="counts">By bucket; null when nothing was measured.</param>
    public double? ValueOf(IReadOnlyDictionary<short, long>? counts) =>
        counts is null ? null
        : Kind switch
        {
            IndicatorKind.LatencyP95 => LatencyBuckets.PercentileMs(counts, 0.95),
            IndicatorKind.GoodPart => (double)counts.GetValueOrDefault(ServiceLevelRecorder.Good) / counts.Values.Sum(),
            _ => counts.GetValueOrDefault(ServiceLevelRecorder.Bad),
        };

    /// <summary>Whether a value holds the objective.</summary>
    public bool IsMetBy(double value) => Kind == IndicatorKind.GoodPart ? value >= Objective : value <= Objective;
}
