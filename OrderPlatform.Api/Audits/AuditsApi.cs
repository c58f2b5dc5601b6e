using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Audits;

/// <summary>The endpoints of audits.</summary>
internal static class AuditsApi
{
    public static void MapAudits(this WebApplication app)
    {
        var audits = app.MapGroup("/audits").WithTags("Audits");
        var read = audits.MapGroup("").RequireScope(Scopes.AnalyticsRead);
        var write = audits.MapGroup("").RequireScope(Scopes.Operations);

        write.MapPost("/", RequestAudits.HandleAsync).WithName("RequestAudits").WithSummary("Compare the stores with their source now").Produces<AuditRequested>(StatusCodes.Status202Accepted)
            .Accepts<RequestAuditsRequest>(isOptional: true, "application/json");
        read.MapGet("/", GetAudits.HandleAsync).WithName("GetAudits").WithSummary("List runs of audits, newest first").Produces<Page<AuditRun>>();
        read.MapGet("/{id}", GetAudit.HandleAsync).WithName("GetAudit").WithSummary("Read a run of audits").Produces<AuditRun>();
        read.MapGet("/{id}/violations", GetViolations.HandleAsync).WithName("GetViolations").WithSummary("List the rows that a run names").Produces<Page<AuditViolation>>();
        write.MapPost("/{id}/repair", RepairViolations.HandleAsync).WithName("RepairViolations").WithSummary("Put right the rows that a run names, and audit them again").Produces<AuditRequested>(StatusCodes.Status202Accepted);
    }
}
