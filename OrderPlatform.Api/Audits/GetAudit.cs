using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Audits;

/// <summary>GET /audits/{id}: one run with what each audit has found.</summary>
internal static class GetAudit
{
    public static async Task<IResult> HandleAsync(string id, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation) =>
        Answer.Json(StatusCodes.Status200OK, await AuditRuns.FindAsync(views, id, cancellation));
}
