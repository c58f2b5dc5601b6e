using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Analytics;

/// <summary>Up to when the derived stores are complete: no further than their slowest partition, nor than what the relay has published.</summary>
public sealed class Completeness([FromKeyedServices(Connections.Views)] NpgsqlDataSource views, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders)
{
    /// <summary>The projections that an event passes on its way to ClickHouse.</summary>
    public static readonly IReadOnlyList<string> SalesFacts = ["analytics-transformer", "sales-facts"];

    /// <summary>The time up to which each of the projections has everything; null while one of them has not said so of each partition.</summary>
    public async Task<DateTimeOffset?> UntilAsync(IReadOnlyList<string> projections, CancellationToken cancellation)
    {
        var unpublished = await OldestUnpublishedAsync(cancellation);
        await using var command = views.CreateCommand("SELECT min(complete_until), count(*) FROM projection_completeness WHERE projection = ANY ($1)");
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. projections] });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (reader.GetInt64(1) < projections.Count * Topics.Partitions)
        {
            return null;
        }
        var projected = reader.GetFieldValue<DateTimeOffset>(0);
        return unpublished < projected ? unpublished : projected;
    }

    // The relay's window (see its checkpoint): what is before from is published, and inside it what is at most at position.
    // Transactions overlap a little, so the oldest event is looked for among the first ones, not among a whole backlog.
    private async Task<DateTimeOffset?> OldestUnpublishedAsync(CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand(
            """
            WITH relay AS (SELECT coalesce(min(from_xid), '0') AS first, coalesce(min(to_xid), '0') AS last, coalesce(min(position), 0) AS done FROM relay_checkpoint)
            SELECT min(recorded_at) FROM (
                SELECT recorded_at FROM event_log, relay
                WHERE transaction_id >= relay.first AND (transaction_id >= relay.last OR event_log.position > relay.done)
                ORDER BY transaction_id, event_log.position LIMIT 1000) AS oldest
            """);
        return await command.ExecuteScalarAsync(cancellation) is DateTime oldest ? new DateTimeOffset(oldest, TimeSpan.Zero) : null;
    }
}
