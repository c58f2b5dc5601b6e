using Npgsql;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Audits;

/// <summary>Why a repair is asked for.</summary>
public sealed record RepairViolationsRequest(string? Reason);

/// <summary>POST /audits/{id}/repair: has exactly the rows that a run names put right, and then audited again, in a new run.</summary>
internal static class RepairViolations
{
    private const int MaxReasonLength = 500;

    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, JsonBody<RepairViolationsRequest> body, IdempotentWrites writes, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var reason = Check.Name(body.Value?.Reason, "reason", MaxReasonLength);
        var run = await AuditRuns.FindAsync(views, id, cancellation);
        var wrong = run.Results.Where(result => result.Violations > 0).Select(result => result.Audit).ToList();
        return await RequestAudits.AskAsync(
            http, body.Bytes, writes,
            repair => AuditRuns.RequestAsync(views, repair, wrong, http.Caller().Name, reason, run.Id, cancellation),
            () => run.FinishedAt is null ? throw new ProblemException(StatusCodes.Status409Conflict, $"The run is {run.State}. Repair what it has found when it is done.")
                : wrong.Count == 0 ? throw new ProblemException(StatusCodes.Status409Conflict, "The run has found no violations: there is nothing to repair.")
                : Task.CompletedTask);
    }
}
