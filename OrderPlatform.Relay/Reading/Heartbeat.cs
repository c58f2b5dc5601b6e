using System.Globalization;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>How a slot stands.</summary>
/// <param name="WalStatus">As in pg_replication_slots: reserved, extended, unreserved (its WAL may go at the next checkpoint) or lost.</param>
/// <param name="LagBytes">WAL that is written and not confirmed.</param>
/// <param name="RetainedBytes">WAL that is kept for the slot.</param>
internal sealed record SlotStatus(string Name, string WalStatus, long LagBytes, long RetainedBytes)
{
    /// <summary>Whether all its WAL is kept.</summary>
    public bool IsReady => WalStatus is "reserved" or "extended";
}

/// <summary>
/// A mark in the WAL that carries a snapshot: all that it shows was committed before the mark. Once the mark has come through the
/// slot and everything before it is published, so is all that the snapshot shows, and polling could go on from there: after a
/// change of the mode, or when the slot is lost. It also moves the slot on while nothing happens to the event log, and its absence
/// tells that the stream stalls.
/// </summary>
/// <param name="SentAt">By PostgreSQL's clock.</param>
/// <param name="Snapshot">pg_snapshot as text.</param>
internal sealed record Heartbeat(DateTimeOffset SentAt, string Snapshot)
{
    /// <summary>Tells its message from those of others.</summary>
    public const string Prefix = "orderplatform.heartbeat";

    /// <summary><see cref="Prefix"/> as the message has it.</summary>
    public static ReadOnlySpan<byte> PrefixBytes => "orderplatform.heartbeat"u8;

    /// <summary>Writes a heartbeat to the WAL, and the last one that came through the slot to relay_heartbeat.</summary>
    /// <param name="last">Null before the first.</param>
    /// <returns>How the slot stands; null when it is not there.</returns>
    public static async Task<SlotStatus?> SendAsync(NpgsqlDataSource source, string slot, PassedHeartbeat? last, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            WITH passed AS (
                INSERT INTO relay_heartbeat AS known (slot, passed_at, lag_ms) SELECT $2, $3, $4 WHERE $3 IS NOT NULL
                ON CONFLICT (slot) DO UPDATE SET passed_at = excluded.passed_at, lag_ms = excluded.lag_ms WHERE known.passed_at < excluded.passed_at)
            SELECT pg_logical_emit_message(true, $1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint || ' ' || pg_current_snapshot()::text),
                wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
            FROM (VALUES (1)) AS always LEFT JOIN pg_replication_slots ON slot_name = $2
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Prefix });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slot });
        command.Parameters.Add(new() { Value = (object?)last?.At ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new() { Value = (object?)last?.Lag.TotalMilliseconds ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Double });
        await using var row = await command.ExecuteReaderAsync(cancellation);
        await row.ReadAsync(cancellation);
        return row.IsDBNull(1) || row.IsDBNull(2) || row.IsDBNull(3) ? null : new SlotStatus(slot, row.GetString(1), row.GetInt64(2), row.GetInt64(3));
    }

    /// <summary>The heartbeat in the content of a message of <see cref="Prefix"/>.</summary>
    public static Heartbeat Parse(ReadOnlySpan<byte> content)
    {
        var blank = content.IndexOf((byte)' ');
        return new Heartbeat(DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(content[..blank], CultureInfo.InvariantCulture)), Encoding.ASCII.GetString(content[(blank + 1)..]));
    }
}
