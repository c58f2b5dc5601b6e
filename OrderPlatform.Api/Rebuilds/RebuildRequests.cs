using System.Security.Cryptography;
using System.Text;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>What is wanted of a projection.</summary>
/// <param name="Kind">rebuild or reset.</param>
internal sealed record WantedRebuild(string Projection, string Kind, string Reason, bool OnlyCompare = false, long? FromOffset = null, DateTimeOffset? FromTime = null);

/// <summary>Puts what is wanted into the table that the projections' process works on.</summary>
internal sealed class RebuildRequests([FromKeyedServices(Connections.Views)] NpgsqlDataSource views)
{
    private const int MaxReasonLength = 500;

    /// <summary>A reason, which whoever reads the list later will want.</summary>
    public static string CheckedReason(string? reason) => Check.Name(reason, "reason", MaxReasonLength);

    /// <summary>Puts it in, once for each Idempotency-Key: the table is in another database than the record of answers, so its id is made from the key.</summary>
    /// <exception cref="ProblemException">409: something else is open for the projection.</exception>
    public async Task<Answer> AddAsync(HttpContext http, WantedRebuild wanted, CancellationToken cancellation)
    {
        var caller = http.Caller().Name;
        var id = new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{caller}\n{http.Request.Headers["Idempotency-Key"]}")).AsSpan(..16));
        await using var command = views.CreateCommand(
            """
            INSERT INTO rebuild (id, projection, kind, reason, only_compare, from_offset, from_time, requested_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
            """);
        command.Parameters.AddRange((NpgsqlParameter[])
        [
            new() { Value = id }, new() { Value = wanted.Projection }, new() { Value = wanted.Kind }, new() { Value = wanted.Reason }, new() { Value = wanted.OnlyCompare },
            new() { Value = (object?)wanted.FromOffset ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint }, new() { Value = (object?)wanted.FromTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz },
            new() { Value = caller },
        ]);
        await command.ExecuteNonQueryAsync(cancellation);
        return await FindAsync(id, cancellation) is { } added
            ? Accepted(added)
            : throw new ProblemException(StatusCodes.Status409Conflict, $"A rebuild or reset of {wanted.Projection} is under way. Wait for its end, or cancel it: GET /operations/rebuilds names it.");
    }

    /// <summary>One of them.</summary>
    public async Task<RebuildAnswer?> FindAsync(Guid id, CancellationToken cancellation)
    {
        await using var command = views.CreateCommand($"SELECT {RebuildRow.Columns} FROM rebuild WHERE id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? RebuildRow.Read(reader) : null;
    }

    /// <summary>One of them, by the id of a path.</summary>
    /// <exception cref="ProblemException">404.</exception>
    public async Task<RebuildAnswer> GetAsync(string id, CancellationToken cancellation) =>
        (Guid.TryParseExact(id, "D", out var guid) ? await FindAsync(guid, cancellation) : null) ?? throw ProblemException.NotFound($"rebuild {id}");

    /// <summary>The answer to a request that is going to be worked on.</summary>
    public static Answer Accepted(RebuildAnswer rebuild) => Answer.Json(StatusCodes.Status202Accepted, rebuild, ("Location", $"/operations/rebuilds/{rebuild.Id}"));

    /// <summary>A projection's name.</summary>
    public static bool IsKnown(string? projection) => projection is not null && RebuildableProjections.All.Contains(projection);
}
