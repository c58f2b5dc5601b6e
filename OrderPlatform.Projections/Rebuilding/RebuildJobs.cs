using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>A row of the table rebuild, as its holder has it.</summary>
/// <param name="IsReset">Not a rebuild: the live progress is set back.</param>
/// <param name="State">building, comparing or swapping.</param>
/// <param name="FromOffset">Of a reset: the offset of every partition,</param>
/// <param name="FromTime">or the time.</param>
/// <param name="LogHorizon">Of a rebuild that reads the event log first; null before that was decided, and when Kafka has all.</param>
/// <param name="LogCovers">Offsets by partition: all that Kafka ever had before them is in the log below the horizon.</param>
/// <param name="Epoch">Goes up with each holder.</param>
internal sealed record RebuildJob(Guid Id, string Projection, bool IsReset, string State, bool OnlyCompare, long? FromOffset, DateTimeOffset? FromTime, string? LogHorizon, IReadOnlyDictionary<int, long>? LogCovers, long Epoch);

/// <summary>The live store and the shadow side by side, at the same offsets.</summary>
/// <param name="Equal">Whether count, amount and hash are the same.</param>
/// <param name="Live">Null when it could not be compared: it was behind, or stood still.</param>
internal sealed record Comparison(bool Equal, StoreSummary? Live, StoreSummary Rebuilt);

/// <summary>The table rebuild. A holder writes <c>WHERE epoch = mine</c>: one who was away for too long changes nothing any more.</summary>
internal sealed class RebuildJobs([FromKeyedServices(Connections.Views)] NpgsqlDataSource views)
{
    /// <summary>A holder that was silent for so long has lost its job.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    /// <summary>Takes a job that nobody works on; null when there is none.</summary>
    public async Task<RebuildJob?> ClaimAsync(string holder, CancellationToken cancellation)
    {
        await using var command = views.CreateCommand(
            """
            UPDATE rebuild SET epoch = epoch + 1, holder = $1, heartbeat_at = now(), started_at = coalesce(started_at, now()), state = CASE state WHEN 'requested' THEN 'building' ELSE state END
            WHERE id = (SELECT id FROM rebuild WHERE finished_at IS NULL AND heartbeat_at < now() - $2 ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, projection, kind = 'reset', state, only_compare, from_offset, from_time, log_horizon::text, log_covers::text, epoch
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = holder }, new() { Value = Lease }]);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        T? Optional<T>(int column)
            where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
        return await reader.ReadAsync(cancellation)
            ? new RebuildJob(
                reader.GetGuid(0), reader.GetString(1), reader.GetBoolean(2), reader.GetString(3), reader.GetBoolean(4),
                Optional<long>(5), Optional<DateTimeOffset>(6), Text(7), Text(8) is { } covers ? JsonSerializer.Deserialize<Dictionary<int, long>>(covers) : null, reader.GetInt64(9))
            : null;
    }

    /// <summary>Says that the job is worked on, and how far it is.</summary>
    /// <param name="perSecond">Events a second lately; null when it is not reading.</param>
    /// <param name="problem">Why it does not go on at the moment; null when it does.</param>
    /// <returns>Whether it is to be cancelled.</returns>
    /// <exception cref="RebuildLostException">Another holder has it.</exception>
    public async Task<bool> BeatAsync(RebuildJob job, long done, long? total, double? perSecond, string? problem, CancellationToken cancellation)
    {
        await using var command = Mine(
            job, "heartbeat_at = now(), events_done = $3, events_total = coalesce($4, events_total), events_per_second = coalesce($5, events_per_second), problem = $6", "RETURNING cancel_requested",
            Value(done), Value(total, NpgsqlDbType.Bigint), Value(perSecond, NpgsqlDbType.Double), Value(problem, NpgsqlDbType.Text));
        return await command.ExecuteScalarAsync(cancellation) is bool cancelled ? cancelled : throw new RebuildLostException();
    }

    /// <summary>Keeps where the events come from.</summary>
    public Task ReadsAsync(RebuildJob job, CancellationToken cancellation) => ExecuteAsync(
        job, "source = $3, log_horizon = $4::xid8, log_covers = $5", cancellation,
        Value(job.LogHorizon is null ? "kafka" : "event-log"), Value(job.LogHorizon, NpgsqlDbType.Text), Value(job.LogCovers is { } covers ? JsonSerializer.Serialize(covers) : null, NpgsqlDbType.Jsonb));

    /// <summary>Keeps what the comparison has shown.</summary>
    public Task ComparedAsync(RebuildJob job, Comparison comparison, CancellationToken cancellation) =>
        ExecuteAsync(job, "comparison = $3", cancellation, Value(JsonSerializer.Serialize(comparison, PlatformJson.Options), NpgsqlDbType.Jsonb));

    /// <summary>Goes on to the next state; from swapping on, nobody can cancel.</summary>
    /// <returns>False: it was cancelled.</returns>
    public async Task<bool> TryEnterAsync(RebuildJob job, string state, CancellationToken cancellation)
    {
        await using var command = Mine(job, "state = $3", "AND NOT cancel_requested", Value(state));
        return await command.ExecuteNonQueryAsync(cancellation) == 1;
    }

    /// <summary>Ends it.</summary>
    public Task FinishAsync(RebuildJob job, string state, string? problem, CancellationToken cancellation) =>
        ExecuteAsync(job, "state = $3, problem = $4, finished_at = now()", cancellation, Value(state), Value(problem, NpgsqlDbType.Text));

    private async Task ExecuteAsync(RebuildJob job, string change, CancellationToken cancellation, params NpgsqlParameter[] values)
    {
        await using var command = Mine(job, change, ending: "", values);
        if (await command.ExecuteNonQueryAsync(cancellation) == 0)
        {
            throw new RebuildLostException();
        }
    }

    private NpgsqlCommand Mine(RebuildJob job, string change, string ending, params NpgsqlParameter[] values)
    {
        var command = views.CreateCommand($"UPDATE rebuild SET {change} WHERE id = $1 AND epoch = $2 AND finished_at IS NULL {ending}");
        command.Parameters.AddRange((NpgsqlParameter[])[Value(job.Id), Value(job.Epoch), .. values]);
        return command;
    }

    private static NpgsqlParameter Value(object value) => new() { Value = value };

    private static NpgsqlParameter Value(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}

/// <summary>Another process has taken the job over.</summary>
internal sealed class RebuildLostException() : Exception("Another process goes on with the rebuild.");
