using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>The endpoints of rebuilding projections.</summary>
internal static class RebuildsApi
{
    public static void MapRebuilds(this WebApplication app)
    {
        var operations = app.MapGroup("/operations").WithTags("Operations").RequireScope(Scopes.Operations);
        operations.MapPost("/rebuilds", RequestRebuild.HandleAsync).WithName("RequestRebuild").WithSummary("Rebuild a projection beside the live one, compare both and swap them").Produces<RebuildAnswer>(StatusCodes.Status202Accepted);
        operations.MapGet("/rebuilds", ListRebuilds.HandleAsync).WithName("ListRebuilds").WithSummary("List rebuilds and resets, newest first").Produces<Page<RebuildAnswer>>();
        operations.MapGet("/rebuilds/{id}", GetRebuild.HandleAsync).WithName("GetRebuild").WithSummary("Read how far a rebuild is").Produces<RebuildAnswer>();
        operations.MapPost("/rebuilds/{id}/cancel", CancelRebuild.HandleAsync).WithName("CancelRebuild").WithSummary("Cancel a rebuild; the live store stays as it is").Produces<RebuildAnswer>(StatusCodes.Status202Accepted);
        operations.MapPost("/projections/{name}/reset", ResetProjection.HandleAsync).WithName("ResetProjection").WithSummary("Feed a projection again from an offset or a time on; what it has is dropped").Produces<RebuildAnswer>(StatusCodes.Status202Accepted);
    }
}
