using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Audits;

/// <summary>A run of audits.</summary>
/// <param name="State">requested, running; then clean, violations, or failed: something could not be compared.</param>
/// <param name="Audits">What is compared.</param>
/// <param name="RequestedBy">The name of the API key, or schedule.</param>
/// <param name="Reason">Why a repair was asked for.</param>
/// <param name="RepairOf">The run whose violations were repaired first; null for audits alone.</param>
/// <param name="Error">Why it broke off.</param>
/// <param name="Violations">All that were found.</param>
/// <param name="Results">What each audit has found; those that are not done yet are left out.</param>
public sealed record AuditRun(
    Guid Id, string State, IReadOnlyList<string> Audits, string RequestedBy, string? Reason, Guid? RepairOf, DateTimeOffset RequestedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt, string? Error,
    long Violations, IReadOnlyList<AuditResult> Results);

/// <summary>What one audit has found.</summary>
/// <param name="Outcome">clean, violations, or unknown: it could not be compared.</param>
/// <param name="Reason">Why the outcome is unknown.</param>
/// <param name="Compared">Rows that were compared.</param>
/// <param name="Vector">How far the store was, by topic: the next offset of each partition.</param>
/// <param name="Sums">Count, money and hash of both sides.</param>
/// <param name="Violations">All that were found, also those beyond the kept ones.</param>
public sealed record AuditResult(string Audit, string Outcome, string? Reason, long Compared, IReadOnlyDictionary<string, IReadOnlyList<long>> Vector, AuditSums Sums, long Violations, long DurationMs);

/// <summary>The last run of a page.</summary>
internal sealed record AuditCursor(DateTimeOffset RequestedAt, Guid Id)
{
    public static string Pack(AuditRun run) => Paging.Pack($"{run.RequestedAt.UtcTicks} {run.Id}");

    public static AuditCursor? Parse(string text) =>
        text.Split(' ') is [var ticks, var id] && long.TryParse(ticks, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var at) && at <= DateTimeOffset.MaxValue.Ticks && Guid.TryParse(id, out var guid)
            ? new AuditCursor(new DateTimeOffset(at, TimeSpan.Zero), guid)
            : null;
}

/// <summary>Runs in the views database, where the auditor of OrderPlatform.Projections takes them up.</summary>
internal static class AuditRuns
{
    private const string Select =
        """
        SELECT id, state, audits, requested_by, reason, repair_of, requested_at, started_at, finished_at, error,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('audit', audit, 'outcome', outcome, 'reason', result.reason, 'compared', compared, 'vector', vector, 'sums', sums, 'violations', violations, 'durationMs', duration_ms)
                ORDER BY array_position(audits, audit)), '[]')::text FROM audit_result AS result WHERE run_id = id)
        FROM audit_run
        """;

    /// <summary>Asks for a run. One that was asked for already stays as it is.</summary>
    public static async Task RequestAsync(NpgsqlDataSource views, Guid id, IReadOnlyList<string> audits, string requestedBy, string? reason, Guid? repairOf, CancellationToken cancellation)
    {
        await using var command = views.CreateCommand("INSERT INTO audit_run (id, audits, requested_by, reason, repair_of) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. audits] });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = requestedBy });
        command.Parameters.Add(Nullable(reason, NpgsqlDbType.Text));
        command.Parameters.Add(Nullable(repairOf, NpgsqlDbType.Uuid));
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>The run of that id.</summary>
    /// <exception cref="ProblemException">404: there is none.</exception>
    public static async Task<AuditRun> FindAsync(NpgsqlDataSource views, string id, CancellationToken cancellation)
    {
        if (!Guid.TryParseExact(id, "D", out var guid))
        {
            throw ProblemException.NotFound($"run of audits {id}");
        }
        await using var command = views.CreateCommand($"{Select} WHERE id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = guid });
        return (await ReadAsync(command, cancellation)).SingleOrDefault() ?? throw ProblemException.NotFound($"run of audits {id}");
    }

    /// <summary>A page of runs, newest first.</summary>
    public static async Task<IReadOnlyList<AuditRun>> ListAsync(NpgsqlDataSource views, AuditCursor? after, int limit, CancellationToken cancellation)
    {
        await using var command = views.CreateCommand($"{Select} WHERE $1 IS NULL OR (requested_at, id) < ($1, $2) ORDER BY requested_at DESC, id DESC LIMIT $3");
        command.Parameters.Add(Nullable(after?.RequestedAt, NpgsqlDbType.TimestampTz));
        command.Parameters.Add(Nullable(after?.Id, NpgsqlDbType.Uuid));
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        return await ReadAsync(command, cancellation);
    }

    /// <summary>A parameter that may be null.</summary>
    public static NpgsqlParameter Nullable(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static async Task<IReadOnlyList<AuditRun>> ReadAsync(NpgsqlCommand command, CancellationToken cancellation)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var runs = new List<AuditRun>();
        while (await reader.ReadAsync(cancellation))
        {
            var results = JsonSerializer.Deserialize<IReadOnlyList<AuditResult>>(reader.GetString(10), PlatformJson.Options)!;
            runs.Add(new AuditRun(
                reader.GetGuid(0), reader.GetString(1), reader.GetFieldValue<string[]>(2), reader.GetString(3), Text(reader, 4), reader.IsDBNull(5) ? null : reader.GetGuid(5),
                reader.GetFieldValue<DateTimeOffset>(6), Time(reader, 7), Time(reader, 8), Text(reader, 9), results.Sum(result => result.Violations), results));
        }
        return runs;
    }

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset? Time(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
}
