using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>A rebuild as callers ask for it.</summary>
/// <param name="OnlyCompare">Throw the rebuilt store away once it was compared: the live one stays as it is.</param>
public sealed record RequestRebuildRequest(string? Projection, string? Reason, bool OnlyCompare = false);

/// <summary>POST /operations/rebuilds: asks for a rebuild. The projections' process begins with it within a second or so.</summary>
internal static class RequestRebuild
{
    public static async Task<IResult> HandleAsync(HttpContext http, JsonBody<RequestRebuildRequest> body, IdempotentWrites writes, RebuildRequests requests)
    {
        var wanted = Checked(body.Value);
        return await writes.RunAsync(http, body.Bytes, forGood: false, (_, cancellation) => requests.AddAsync(http, wanted, cancellation));
    }

    private static WantedRebuild Checked(RequestRebuildRequest? request) =>
        RebuildRequests.IsKnown(request?.Projection)
            ? new WantedRebuild(request!.Projection!, "rebuild", RebuildRequests.CheckedReason(request.Reason), request.OnlyCompare)
            : throw ProblemException.Invalid("projection", $"must be one of {string.Join(", ", RebuildableProjections.All)}.");
}
