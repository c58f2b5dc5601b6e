using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Audits;

/// <summary>GET /audits: runs, newest first.</summary>
internal static class GetAudits
{
    public static async Task<IResult> HandleAsync(HttpContext http, string? limit, string? cursor, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var after = Paging.Unpack(cursor, AuditCursor.Parse);
        var size = Paging.Limit(limit);
        return Paging.Answer(http, await AuditRuns.ListAsync(views, after, size + 1, cancellation), size, AuditCursor.Pack);
    }
}
