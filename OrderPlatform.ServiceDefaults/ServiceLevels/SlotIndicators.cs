using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>The replication slots that the relay's checkpoints name, each with its indicators. They are of this moment, by PostgreSQL, so a relay that is away is seen too. A polling relay has no slot.</summary>
public sealed class SlotIndicators([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source)
{
    private const double MiB = 1024 * 1024;

    /// <summary>Four segments of the WAL: seconds of the busiest traffic.</summary>
    private const double LagBytes = 64 * MiB;

    /// <summary>A quarter of what PostgreSQL keeps for a slot (max_slot_wal_keep_size) before it gives it up.</summary>
    private const double RetainedBytes = 1024 * MiB;

    /// <summary>From here on the relay's own health is red (Relay:StallBound).</summary>
    private const double HeartbeatAgeMs = 10_000;

    /// <summary>Each slot's indicators.</summary>
    /// <exception cref="NpgsqlException">The orders database is away.</exception>
    public async Task<IReadOnlyList<IndicatorAnswer>> ReadAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            SELECT told.slot, coalesce(active AND wal_status IN ('reserved', 'extended'), false),
                pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8, lag_ms,
                pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8, extract(epoch FROM now() - passed_at)::float8 * 1000
            FROM (SELECT slot FROM relay_checkpoint UNION ALL SELECT slot FROM table_checkpoint) AS told
                LEFT JOIN pg_replication_slots ON slot_name = told.slot LEFT JOIN relay_heartbeat USING (slot)
            WHERE told.slot IS NOT NULL
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var indicators = new List<IndicatorAnswer>();
        while (await reader.ReadAsync(cancellation))
        {
            var slot = reader.GetString(0);
            double? Value(int column) => reader.IsDBNull(column) ? null : Math.Max(0, Math.Round(reader.GetDouble(column), 1));
            IndicatorAnswer AtMost(string name, double? value, double objective) => new(name, slot, value, objective, value is { } known ? known <= objective : null);
            var ready = reader.GetBoolean(1);
            indicators.AddRange(
            [
                new IndicatorAnswer("cdc.slot_ready", slot, ready ? 1 : 0, 1, ready),
                AtMost("cdc.wal_lag_bytes", Value(2), LagBytes),
                AtMost("cdc.wal_lag_ms", Value(3), Indicator.CdcLag.Objective),
                AtMost("cdc.wal_retained_bytes", Value(4), RetainedBytes),
                AtMost("cdc.heartbeat_age_ms", Value(5), HeartbeatAgeMs),
            ]);
        }
        return indicators;
    }
}
