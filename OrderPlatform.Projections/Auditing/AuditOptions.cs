using System.ComponentModel.DataAnnotations;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Settings of the audits, section <c>Auditing</c>.</summary>
public sealed class AuditOptions
{
    /// <summary>From one scheduled run of all audits to the next, over all replicas. An audit reads everything: some 15 s of one core in each of the large ones for a million orders.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>An event older than this must have reached Kafka and every store.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Bound { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>An order whose last event is older than this must be at its end, with its reservation, payment and dispatch. Above Orders:ChangeWindow + Orders:PaymentBound + Shipping's times.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan SagaBound { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Runs are deleted after this time, with what they found.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Kept { get; set; } = TimeSpan.FromDays(30);
}
