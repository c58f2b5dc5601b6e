using System.Globalization;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Audits;

/// <summary>A row that is not as its source says.</summary>
/// <param name="Number">From 1, within the run.</param>
/// <param name="Store">Where the row is.</param>
/// <param name="Kind">missing, surplus, doubled, altered, reordered or stuck.</param>
/// <param name="Row">Its id there.</param>
/// <param name="Expected">What the source says.</param>
/// <param name="Found">What the store says.</param>
/// <param name="Repair">What a repair did with it; null before one.</param>
public sealed record AuditViolation(int Number, string Audit, string Store, string Kind, string Row, string Expected, string Found, string? Repair);

/// <summary>The last violation of a page.</summary>
internal sealed record ViolationCursor(int Number)
{
    public static string Pack(AuditViolation violation) => Paging.Pack($"{violation.Number}");

    public static ViolationCursor? Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new ViolationCursor(number) : null;
}

/// <summary>GET /audits/{id}/violations: the rows that a run names, at most 1,000 of each audit.</summary>
internal static class GetViolations
{
    public static async Task<IResult> HandleAsync(HttpContext http, string id, string? limit, string? cursor, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var after = Paging.Unpack(cursor, ViolationCursor.Parse)?.Number ?? 0;
        var size = Paging.Limit(limit);
        var run = await AuditRuns.FindAsync(views, id, cancellation);
        await using var command = views.CreateCommand("SELECT number, audit, store, kind, row_id, expected, found, repair FROM audit_violation WHERE run_id = $1 AND number > $2 ORDER BY number LIMIT $3");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = run.Id });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = size + 1 });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var violations = new List<AuditViolation>();
        while (await reader.ReadAsync(cancellation))
        {
            violations.Add(new AuditViolation(
                reader.GetInt32(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), reader.GetString(5), reader.GetString(6), reader.IsDBNull(7) ? null : reader.GetString(7)));
        }
        return Paging.Answer(http, violations, size, ViolationCursor.Pack);
    }
}
