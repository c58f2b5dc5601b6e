using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>GET /operations/rebuilds/{id}.</summary>
internal static class GetRebuild
{
    public static async Task<IResult> HandleAsync(string id, RebuildRequests requests, CancellationToken cancellation) =>
        Answer.Json(StatusCodes.Status200OK, await requests.GetAsync(id, cancellation));
}
