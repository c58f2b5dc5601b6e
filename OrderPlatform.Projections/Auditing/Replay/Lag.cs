using Microsoft.Extensions.Options;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>Whether a store has everything that is older than the bound.</summary>
internal sealed class Lag(IConfiguration configuration, IOptions<AuditOptions> options, TimeProvider clock)
{
    /// <summary>Names each partition whose next record, the first that the store lacks, is older than the bound.</summary>
    /// <param name="vector">Where the store was when it was read, just now.</param>
    /// <param name="end">Where the topic ends.</param>
    /// <exception cref="CannotBeAuditedException">Kafka does not have the records.</exception>
    public async Task CheckAsync(string store, string topic, IReadOnlyList<long> vector, IReadOnlyList<long> end, Findings findings, CancellationToken cancellation)
    {
        var due = clock.GetUtcNow() - options.Value.Bound;
        if (vector.SequenceEqual(end))
        {
            return;
        }
        using var reader = new TopicReader(configuration.Required(Connections.Kafka), topic, from: vector);
        await reader.ReadToAsync([.. vector.Zip(end, (next, last) => Math.Min(next + 1, last))], consumed =>
        {
            var record = Record.From(consumed);
            if (record.RecordedAt < due)
            {
                findings.Add(store, ViolationKind.Stuck, $"{consumed.TopicPartitionOffset}", $"in the store {options.Value.Bound.TotalSeconds:0} s after {UtcTime.Format(record.RecordedAt)}", $"the store waits before {record.Key}@{record.Sequence}");
            }
        }, cancellation);
    }
}
