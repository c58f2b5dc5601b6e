using Npgsql;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>A piece of the log to publish, and the checkpoint that holds once it is.</summary>
public sealed record LogBatch(IReadOnlyList<LoggedEvent> Events, Checkpoint After);

/// <summary>
/// Reads the log in an order that never skips a late commit and never reverses an aggregate's events (DESIGN decision 2).
/// </summary>
/// <remarks>
/// A window ends at pg_snapshot_xmin of the statement that opens it: every transaction below has ended, so its rows are all
/// visible, then and later. Within a window rows go by position, which is taken under the aggregate's lock. A cut anywhere
/// else could part two transactions of one aggregate whose ids and lock order differ.
/// </remarks>
public static class PollingReader
{
    private const string Columns = "position, stream, sequence, event_id, type, topic, key, occurred_at, recorded_at, traceparent, payload";

    private const string NewWindow =
        $"""
        WITH horizon AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin)
        SELECT horizon.xmin, events.* FROM horizon LEFT JOIN LATERAL (
            SELECT {Columns} FROM event_log
            WHERE transaction_id >= $1 AND transaction_id < horizon.xmin
            ORDER BY position LIMIT $2) AS events ON true
        ORDER BY position
        """;

    // IS TRUE hides the window from the planner: a window of millions, after a long pause, is walked by position and not sorted again for each batch
    private const string OpenWindow =
        $"""
        SELECT $2::xid8, {Columns} FROM event_log
        WHERE (transaction_id >= $1) IS TRUE AND (transaction_id < $2) IS TRUE AND position > $3
        ORDER BY position LIMIT $4
        """;

    /// <summary>The next events after a checkpoint, at most <paramref name="limit"/>; the checkpoint after them also moves when there are none.</summary>
    public static async Task<LogBatch> ReadAsync(NpgsqlConnection connection, Checkpoint done, int limit, CancellationToken cancellation)
    {
        await using var command = done.IsOpen
            ? new NpgsqlCommand(OpenWindow, connection) { Parameters = { Xid(done.From), Xid(done.To), new NpgsqlParameter<long> { TypedValue = done.Position }, new NpgsqlParameter<int> { TypedValue = limit } } }
            : new NpgsqlCommand(NewWindow, connection) { Parameters = { Xid(done.From), new NpgsqlParameter<int> { TypedValue = limit } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<LoggedEvent>();
        var to = done.To;
        while (await reader.ReadAsync(cancellation))
        {
            to = reader.GetFieldValue<ulong>(0);
            if (!reader.IsDBNull(1))
            {
                events.Add(Read(reader));
            }
        }
        return new LogBatch(events, events.Count == limit ? done.At(to, events[^1].Position) : Checkpoint.After(to));
    }

    private static LoggedEvent Read(NpgsqlDataReader reader) => new(
        reader.GetInt64(1), reader.GetString(2), reader.GetInt32(3), reader.GetGuid(4), reader.GetString(5), reader.GetString(6), reader.GetString(7),
        reader.GetFieldValue<DateTimeOffset>(8), reader.GetFieldValue<DateTimeOffset>(9), reader.IsDBNull(10) ? null : reader.GetString(10), reader.GetFieldValue<byte[]>(11));

    private static NpgsqlParameter<ulong> Xid(ulong value) => new() { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Xid8 };
}
