using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Idempotency;

/// <summary>
/// A POST that can be sent again without being done again, after Stripe and the IETF draft
/// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/): the answer is kept in the transaction of
/// the work itself, so either both are there or neither is.
/// </summary>
public sealed class IdempotentWrites([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, IdempotencyMetrics metrics)
{
    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    /// <summary>Runs <paramref name="work"/> in one transaction with the record of its answer, or gives the answer that was recorded before.</summary>
    /// <param name="body">The request's body as it came.</param>
    /// <param name="forGood">The key never expires (imports).</param>
    /// <param name="work">Writes through the connection's open transaction and gives the answer. What it throws rolls everything back and is not kept.</param>
    /// <exception cref="ProblemException">400 without a usable key, 409 while the same key is being worked on, 422 when the key was used for something else.</exception>
    public async Task<Answer> RunAsync(HttpContext http, ReadOnlyMemory<byte> body, bool forGood, Func<NpgsqlConnection, CancellationToken, Task<Answer>> work)
    {
        var cancellation = http.RequestAborted;
        var caller = http.Caller().Name;
        var key = KeyOf(http);
        var requestHash = HashOf(http, body);

        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        if (await BeginAsync(connection, caller, key, cancellation) is { } before)
        {
            metrics.Repeated();
            return before.RequestHash.AsSpan().SequenceEqual(requestHash)
                ? before.Answer
                : throw new ProblemException(StatusCodes.Status422UnprocessableEntity, "This Idempotency-Key was used for another request. Use a new key for a new request.");
        }
        var answer = await work(connection, cancellation);
        var again = await RecordAsync(connection, caller, key, requestHash, answer, forGood ? DateTimeOffset.MaxValue : clock.GetUtcNow() + Kept, cancellation);
        await transaction.CommitAsync(CancellationToken.None); // past this point a caller who has left would only leave the outcome unknown
        metrics.Done(again);
        return answer;
    }

    private static string KeyOf(HttpContext http) =>
        http.Request.Headers["Idempotency-Key"] is [{ Length: >= 1 and <= 255 } key] && key.All(c => c is >= ' ' and <= '~')
            ? key
            : throw new ProblemException(StatusCodes.Status400BadRequest, "Send an Idempotency-Key header of 1 to 255 printable ASCII characters, a new one for every new request.");

    private static byte[] HashOf(HttpContext http, ReadOnlyMemory<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{http.Request.Method}\n{http.Request.Path}\n"));
        hash.AppendData(body.Span);
        return hash.GetHashAndReset();
    }

    private static async Task<(byte[] RequestHash, Answer Answer)?> BeginAsync(NpgsqlConnection connection, string caller, string key, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("SELECT pg_try_advisory_xact_lock($1)") { Parameters = { new NpgsqlParameter<long> { TypedValue = LockOf(caller, key) } } },
                new("SELECT request_hash, status, headers::text, body FROM idempotency WHERE caller = $1 AND key = $2 AND expires_at > now()")
                {
                    Parameters = { new NpgsqlParameter<string> { TypedValue = caller }, new NpgsqlParameter<string> { TypedValue = key } },
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

    // only an expired record can be in the way: the lock is held, and a live one would have been answered
    private static async Task<bool> RecordAsync(NpgsqlConnection connection, string caller, string key, byte[] requestHash, Answer answer, DateTimeOffset expiresAt, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO idempotency (caller, key, request_hash, status, headers, body, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (caller, key) DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status,
                headers = excluded.headers, body = excluded.body, expires_at = excluded.expires_at
            RETURNING xmax <> 0 -- a row that was there before
            """,
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string> { TypedValue = caller },
                new NpgsqlParameter<string> { TypedValue = key },
                new NpgsqlParameter<byte[]> { TypedValue = requestHash },
                new NpgsqlParameter<int> { TypedValue = answer.Status },
                new NpgsqlParameter<string> { TypedValue = JsonSerializer.Serialize(answer.Headers), NpgsqlDbType = NpgsqlDbType.Jsonb },
                new NpgsqlParameter<byte[]> { TypedValue = answer.Body },
                new NpgsqlParameter<DateTime> { TypedValue = expiresAt.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz }, // DateTime.MaxValue is infinity
            },
        };
        return (bool)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private static long LockOf(string caller, string key) =>
        BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{caller}\n{key}")));
}
