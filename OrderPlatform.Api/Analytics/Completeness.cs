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

    // What the relay's checkpoint does not cover. Transactions overlap a little, so the oldest event is looked for among the
    // first ones, not among a whole backlog.
    private async Task<DateTimeOffset?> OldestUnpublishedAsync(CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand(
            """
            WITH relay AS (
                SELECT coalesce((SELECT from_snapshot FROM relay_checkpoint WHERE name = 'relay'), '3:3:') AS first,
                       (SELECT to_snapshot FROM relay_checkpoint WHERE name = 'relay') AS last,
                       (SELECT position FROM relay_checkpoint WHERE name = 'relay') AS done),
            unseen AS (
                SELECT transaction_id, event_log.position, recorded_at FROM event_log, relay WHERE transaction_id >= pg_snapshot_xmax(first)
                UNION ALL
                SELECT transaction_id, event_log.position, recorded_at FROM event_log, relay WHERE transaction_id = ANY (ARRAY(SELECT pg_snapshot_xip(first))))
            SELECT min(recorded_at) FROM (
                SELECT recorded_at FROM unseen, relay
                WHERE last IS NULL OR NOT pg_visible_in_snapshot(transaction_id, last) OR unseen.position > done
                ORDER BY transaction_id, unseen.position LIMIT 1000) AS oldest
            """);
        return await command.ExecuteScalarAsync(cancellation) is DateTime oldest ? new DateTimeOffset(oldest, TimeSpan.Zero) : null;
    }
}
