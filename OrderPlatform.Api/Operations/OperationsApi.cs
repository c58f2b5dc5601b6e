using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Operations;

/// <summary>The endpoints of those who run the platform.</summary>
internal static class OperationsApi
{
    public static void MapOperations(this WebApplication app)
    {
        var letters = app.MapGroup("/operations/dead-letters").WithTags("Operations").RequireScope(Scopes.Operations);

        letters.MapGet("/", ListDeadLetters.HandleAsync).WithName("ListDeadLetters").WithSummary("List dead letters, newest first").Produces<Page<DeadLetter>>();
        letters.MapGet("/{id}", GetDeadLetter.HandleAsync).WithName("GetDeadLetter").WithSummary("Inspect a dead letter").Produces<InspectedDeadLetter>();
        letters.MapPost("/{id}/redrive", RedriveDeadLetter.HandleAsync).WithName("RedriveDeadLetter").WithSummary("Give a dead letter back to its consumer, edited if need be").Produces<InspectedDeadLetter>();
        letters.MapPost("/{id}/discard", DiscardDeadLetter.HandleAsync).WithName("DiscardDeadLetter").WithSummary("Close a dead letter; its key goes on without it").Produces<InspectedDeadLetter>();
    }
}
