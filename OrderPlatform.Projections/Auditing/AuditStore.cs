using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>A run of audits that was claimed.</summary>
/// <param name="RepairOf">The run whose violations are repaired first; null for audits alone.</param>
internal sealed record AuditRun(Guid Id, IReadOnlyList<string> Audits, Guid? RepairOf);

/// <summary>A violation of an earlier run.</summary>
internal sealed record KeptViolation(int Number, string Audit, Violation Violation);

/// <summary>Runs, results and violations in the views database.</summary>
internal sealed class AuditStore([FromKeyedServices(Connections.Views)] NpgsqlDataSource views)
{
    // any number that nobody else takes an advisory lock on in this database
    private const long LockKey = 0x6175646974;

    /// <summary>The turn to audit, which one process has at a time. It ends with the connection: a process that dies has it no longer.</summary>
    /// <returns>Null while another process has it.</returns>
    public async Task<IAsyncDisposable?> TryTakeTurnAsync(CancellationToken cancellation)
    {
        var connection = await views.OpenConnectionAsync(cancellation);
        await using var command = new NpgsqlCommand($"SELECT pg_try_advisory_lock({LockKey})", connection);
        if (await command.ExecuteScalarAsync(cancellation) is true)
        {
            return connection; // closed, the connection is reset, and with it its locks
        }
        await connection.DisposeAsync();
        return null;
    }

    /// <summary>What a process that died has left open is said to have failed. The caller has the turn.</summary>
    public Task FailAbandonedAsync(CancellationToken cancellation) =>
        ExecuteAsync("UPDATE audit_run SET state = 'failed', finished_at = now(), error = 'The process that ran it ended. Ask for it again.' WHERE state = 'running'", cancellation);

    /// <summary>Asks for all audits when the last scheduled run was asked for an interval ago, and forgets old runs.</summary>
    /// <param name="since">When this process started: the first interval begins there.</param>
    public async Task ScheduleAsync(TimeSpan interval, DateTimeOffset since, TimeSpan kept, CancellationToken cancellation)
    {
        var scheduled = await ExecuteAsync(
            """
            INSERT INTO audit_run (id, audits, requested_by) SELECT gen_random_uuid(), $1, 'schedule'
            WHERE coalesce((SELECT max(requested_at) FROM audit_run WHERE requested_by = 'schedule'), $2) < now() - $3
            """,
            cancellation, AuditNames.All.ToArray(), since, interval);
        if (scheduled > 0)
        {
            await ExecuteAsync("DELETE FROM audit_run WHERE requested_at < now() - $1", cancellation, kept);
        }
    }

    /// <summary>The oldest run that was asked for, running from now on.</summary>
    public async Task<AuditRun?> ClaimAsync(CancellationToken cancellation)
    {
        await using var command = views.CreateCommand(
            """
            UPDATE audit_run SET state = 'running', started_at = now()
            WHERE id = (SELECT id FROM audit_run WHERE state = 'requested' ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, audits, repair_of
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? new AuditRun(reader.GetGuid(0), reader.GetFieldValue<string[]>(1), reader.IsDBNull(2) ? null : reader.GetGuid(2))
            : null;
    }

    /// <summary>Keeps what an audit has found.</summary>
    /// <param name="unknown">Why nothing is known; null when it was compared.</param>
    /// <returns>Violations that the run before, of the same audit, has not had.</returns>
    public async Task<long> SaveAsync(AuditRun run, string audit, Findings findings, string? unknown, TimeSpan duration, CancellationToken cancellation)
    {
        await using var connection = await views.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using (var result = new NpgsqlCommand(
            "INSERT INTO audit_result (run_id, audit, outcome, reason, compared, vector, sums, violations, duration_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", connection)
        {
            Parameters =
            {
                Value(run.Id), Value(audit), Value(findings.ViolationCount > 0 ? "violations" : unknown is null ? "clean" : "unknown"), Text(unknown), Value(findings.Compared),
                Json(findings.Vector), Json(findings.Sums.Answer()), Value(findings.ViolationCount), Value((long)duration.TotalMilliseconds),
            },
        })
        {
            await result.ExecuteNonQueryAsync(cancellation);
        }
        var fresh = await InsertViolationsAsync(connection, run, audit, findings, cancellation);
        await transaction.CommitAsync(cancellation);
        return fresh;
    }

    /// <summary>The run has ended.</summary>
    public Task FinishAsync(AuditRun run, CancellationToken cancellation) => ExecuteAsync(
        """
        UPDATE audit_run SET finished_at = now(), state = CASE
            WHEN EXISTS (SELECT FROM audit_result WHERE run_id = id AND outcome = 'violations') THEN 'violations'
            WHEN EXISTS (SELECT FROM audit_result WHERE run_id = id AND outcome = 'unknown') THEN 'failed'
            ELSE 'clean' END
        WHERE id = $1
        """,
        cancellation, run.Id);

    /// <summary>The run broke off.</summary>
    public Task FailAsync(AuditRun run, string error, CancellationToken cancellation) =>
        ExecuteAsync("UPDATE audit_run SET finished_at = now(), state = 'failed', error = $2 WHERE id = $1", cancellation, run.Id, error);

    /// <summary>The violations that a run has kept.</summary>
    public async Task<IReadOnlyList<KeptViolation>> ViolationsAsync(Guid run, CancellationToken cancellation)
    {
        await using var command = views.CreateCommand("SELECT number, audit, store, kind, row_id, sequence, expected, found FROM audit_violation WHERE run_id = $1 ORDER BY number");
        command.Parameters.Add(Value(run));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var violations = new List<KeptViolation>();
        while (await reader.ReadAsync(cancellation))
        {
            violations.Add(new KeptViolation(reader.GetInt32(0), reader.GetString(1), new Violation(
                reader.GetString(2), Enum.Parse<ViolationKind>(reader.GetString(3), ignoreCase: true), reader.GetString(4), reader.IsDBNull(5) ? null : reader.GetInt32(5), reader.GetString(6), reader.GetString(7))));
        }
        return violations;
    }

    /// <summary>Says what a repair did with violations.</summary>
    public Task SaveRepairAsync(Guid run, IReadOnlyList<int> numbers, IReadOnlyList<string> repairs, CancellationToken cancellation) => ExecuteAsync(
        "UPDATE audit_violation SET repair = done.repair FROM unnest($2, $3) AS done (number, repair) WHERE run_id = $1 AND audit_violation.number = done.number",
        cancellation, run, numbers.ToArray(), repairs.ToArray());

    private static async Task<long> InsertViolationsAsync(NpgsqlConnection connection, AuditRun run, string audit, Findings findings, CancellationToken cancellation)
    {
        if (findings.ViolationCount == 0)
        {
            return 0;
        }
        await using var command = new NpgsqlCommand(
            """
            WITH before AS (
                SELECT audit_run.id, violations FROM audit_run JOIN audit_result ON run_id = id
                WHERE audit = $2 AND outcome <> 'unknown' AND id <> $1 ORDER BY started_at DESC LIMIT 1),
            added AS (
                INSERT INTO audit_violation (run_id, number, audit, store, kind, row_id, sequence, expected, found)
                SELECT $1, (SELECT coalesce(max(number), 0) FROM audit_violation WHERE run_id = $1) + row_number() OVER (), $2, found.*
                FROM unnest($3, $4, $5, $6, $7, $8) AS found RETURNING store, kind, row_id)
            SELECT (SELECT count(*) FROM added WHERE NOT EXISTS (
                        SELECT FROM audit_violation AS known JOIN before ON known.run_id = before.id WHERE known.audit = $2 AND (known.store, known.kind, known.row_id) = (added.store, added.kind, added.row_id)))
                 + greatest(0, $9 - $10 - greatest(0, coalesce((SELECT violations FROM before), 0) - $10))
            """,
            connection)
        {
            Parameters =
            {
                Value(run.Id), Value(audit),
                Column(findings, violation => violation.Store), Column(findings, violation => violation.Kind.ToString().ToLowerInvariant()), Column(findings, violation => violation.Row),
                Column(findings, violation => violation.Sequence), Column(findings, violation => violation.Expected), Column(findings, violation => violation.Found),
                Value(findings.ViolationCount), Value((long)Findings.MaxKept),
            },
        };
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private async Task<int> ExecuteAsync(string sql, CancellationToken cancellation, params object[] values)
    {
        await using var command = views.CreateCommand(sql);
        command.Parameters.AddRange(values.Select(Value).ToArray());
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private static NpgsqlParameter<T[]> Column<T>(Findings findings, Func<Violation, T> of) => new() { TypedValue = [.. findings.Violations.Select(of)] };

    private static NpgsqlParameter Value(object value) => new() { Value = value };

    private static NpgsqlParameter Text(string? value) => new() { Value = value ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    private static NpgsqlParameter Json<T>(T value) => new() { Value = JsonSerializer.SerializeToUtf8Bytes(value, PlatformJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb };
}
