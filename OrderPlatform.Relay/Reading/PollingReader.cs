using Npgsql;

namespace OrderPlatform.Relay.Reading;

/// <summary>A piece of the log to publish, and the checkpoint that holds once it is.</summary>
public sealed record LogBatch(IReadOnlyList<LoggedEvent> Events, Checkpoint After);

/// <summary>
/// Reads the log in an order that never skips a late commit and never reverses an aggregate's events.
/// </summary>
/// <remarks>
/// A window is what one snapshot shows beyond another: exactly the rows of the transactions that committed in between. Who
/// appends to an aggregate holds its row, so the one before has committed, and is in every snapshot that shows the one after:
/// an aggregate's events never come in the wrong window, and within a window they go by position, which is taken under the
/// row's lock. No open transaction holds the reading up; docs/decisions/0008 says why windows of transaction ids are not enough.
/// </remarks>
public static class PollingReader
{
    // what the last snapshot did not show: transactions that had not begun, and those that were still open
    private const string NewWindow =
        $"""
        WITH now AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
        SELECT now.snapshot::text, events.* FROM now LEFT JOIN LATERAL (
            SELECT {LoggedEvent.Columns} FROM event_log WHERE transaction_id >= pg_snapshot_xmax($1::pg_snapshot)
            UNION ALL
            SELECT {LoggedEvent.Columns} FROM event_log WHERE transaction_id = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))
            ORDER BY position LIMIT $2) AS events ON true
        ORDER BY position
        """;

    // a window of millions, after a long pause, is walked by position: it is not sorted again for each batch
    private const string OpenWindow =
        $"""
        SELECT $2, {LoggedEvent.Columns} FROM event_log
        WHERE position > $3 AND NOT pg_visible_in_snapshot(transaction_id, $1::pg_snapshot) AND pg_visible_in_snapshot(transaction_id, $2::pg_snapshot)
        ORDER BY position LIMIT $4
        """;

    /// <summary>The next events after a checkpoint, at most <paramref name="limit"/>; the checkpoint after them also moves when there are none.</summary>
    public static async Task<LogBatch> ReadAsync(NpgsqlConnection connection, Checkpoint done, int limit, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(done.To is null ? NewWindow : OpenWindow, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = done.From });
        if (done.To is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = done.To });
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = done.Position });
        }
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });

        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<LoggedEvent>();
        var to = done.To;
        while (await reader.ReadAsync(cancellation))
        {
            to = reader.GetString(0);
            if (!reader.IsDBNull(1))
            {
                events.Add(LoggedEvent.Read(reader, first: 1));
            }
        }
        return new LogBatch(events, events.Count == limit ? new Checkpoint(done.From, to, events[^1].Position) : Checkpoint.After(to!));
    }
}
