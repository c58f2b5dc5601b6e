using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Idempotency;

/// <summary>The answers of requests that were done, in PostgreSQL.</summary>
internal static class AnswerStore
{
    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    /// <summary>Takes the key's lock for the transaction, and reads what was answered before.</summary>
    /// <returns>Null when there is no answer, or an expired one.</returns>
    /// <exception cref="ProblemException">409: another transaction has the lock.</exception>
    public static async Task<(byte[] RequestHash, Answer Answer)?> FindAsync(NpgsqlConnection connection, IdempotentRequest request, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("SELECT pg_try_advisory_xact_lock($1)") { Parameters = { new NpgsqlParameter<long> { TypedValue = request.Lock } } },
                new("SELECT request_hash, status, headers::text, body FROM idempotency WHERE caller = $1 AND key = $2 AND expires_at > now()")
                {
                    Parameters = { new NpgsqlParameter<string> { TypedValue = request.Caller }, new NpgsqlParameter<string> { TypedValue = request.Key } },
                },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (!reader.GetBoolean(0))
        {
            throw new ProblemException(StatusCodes.Status409Conflict, "A request with this Idempotency-Key is being worked on. Send it again in a moment.") { RetryAfter = TimeSpan.FromSeconds(1) };
        }
        await reader.NextResultAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? (reader.GetFieldValue<byte[]>(0), new Answer(reader.GetInt32(1), JsonSerializer.Deserialize<Dictionary<string, string>>(reader.GetString(2))!, reader.GetFieldValue<byte[]>(3)))
            : null;
    }

    /// <summary>
    /// Records answers in the transaction of the work, each under its key's lock. One whose lock another transaction has, or whose
    /// key has an answer already, is left out. No key may come twice.
    /// </summary>
    /// <returns>Those that were recorded, each with whether its key was used before and had expired.</returns>
    public static async Task<Dictionary<IdempotentRequest, bool>> RecordAsync(
        NpgsqlConnection connection, IReadOnlyList<(IdempotentRequest Request, Answer Answer)> done, DateTimeOffset now, CancellationToken cancellation)
    {
        // The lock is taken before the row is looked for, and ON CONFLICT sees what was committed until then, whatever the statement's snapshot.
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO idempotency (caller, key, request_hash, status, headers, body, expires_at)
            SELECT caller, key, request_hash, status, headers, body, expires_at
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS done (lock, caller, key, request_hash, status, headers, body, expires_at)
            WHERE pg_try_advisory_xact_lock(lock)
            ON CONFLICT (caller, key) DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status,
                headers = excluded.headers, body = excluded.body, expires_at = excluded.expires_at
                WHERE idempotency.expires_at <= now()
            RETURNING caller, key, xmax <> 0 -- a row that was there before
            """,
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<long[]> { TypedValue = [.. done.Select(one => one.Request.Lock)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. done.Select(one => one.Request.Caller)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. done.Select(one => one.Request.Key)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. done.Select(one => one.Request.Hash)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. done.Select(one => one.Answer.Status)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. done.Select(one => JsonSerializer.Serialize(one.Answer.Headers))], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. done.Select(one => one.Answer.Body)] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. done.Select(one => one.Request.ForGood ? DateTime.MaxValue : (now + Kept).UtcDateTime)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz }, // DateTime.MaxValue is infinity
            },
        };
        var requests = done.ToDictionary(one => (one.Request.Caller, one.Request.Key), one => one.Request);
        var recorded = new Dictionary<IdempotentRequest, bool>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            recorded.Add(requests[(reader.GetString(0), reader.GetString(1))], reader.GetBoolean(2));
        }
        return recorded;
    }
}
