using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>Where a projection is to read again from: one of the two.</summary>
/// <param name="Offset">This offset of every partition.</param>
/// <param name="Time">The first record of every partition that was published at or after this time.</param>
public sealed record ResetProjectionRequest(string? Reason, long? Offset = null, DateTimeOffset? Time = null);

/// <summary>
/// POST /operations/projections/{name}/reset: sets the live progress back, never forward. What the store has is dropped by its sequence,
/// so it mends only what is missing above an order's last sequence; for anything else, rebuild.
/// </summary>
internal static class ResetProjection
{
    public static async Task<IResult> HandleAsync(HttpContext http, string name, JsonBody<ResetProjectionRequest> body, IdempotentWrites writes, RebuildRequests requests)
    {
        var wanted = Checked(name, body.Value);
        return await writes.RunAsync(http, body.Bytes, forGood: false, (_, cancellation) => requests.AddAsync(http, wanted, cancellation));
    }

    private static WantedRebuild Checked(string name, ResetProjectionRequest? request)
    {
        if (!RebuildRequests.IsKnown(name))
        {
            throw ProblemException.NotFound($"projection {name} that can be reset");
        }
        return (request?.Offset, request?.Time) switch
        {
            ({ } offset, null) when offset >= 0 => new WantedRebuild(name, "reset", RebuildRequests.CheckedReason(request.Reason), FromOffset: offset),
            (null, { } time) => new WantedRebuild(name, "reset", RebuildRequests.CheckedReason(request.Reason), FromTime: time),
            ({ } _, null) => throw ProblemException.Invalid("offset", "must not be negative."),
            _ => throw ProblemException.Invalid("offset", "or time is required, one of the two."),
        };
    }
}
