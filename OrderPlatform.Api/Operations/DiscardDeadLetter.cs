using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;

namespace OrderPlatform.Api.Operations;

/// <summary>Why a letter is given up.</summary>
public sealed record DiscardRequest(string? Reason);

/// <summary>POST /operations/dead-letters/{id}/discard: the consumer never gets the record; what waits behind it goes on.</summary>
internal static class DiscardDeadLetter
{
    public static async Task<IResult> HandleAsync(HttpContext http, string id, JsonBody<DiscardRequest> body, IdempotentWrites writes)
    {
        var reason = Check.Name(body.Value?.Reason, "reason", RedriveDeadLetter.MaxReasonLength);
        return await writes.RunAsync(http, body.Bytes, forGood: false, async (connection, cancellation) =>
        {
            var letter = await DeadLetterStore.LockFirstAsync(connection, id, cancellation);
            await DeadLetterStore.DiscardAsync(connection, letter, http.Caller().Name, reason, cancellation);
            return Answer.Json(StatusCodes.Status200OK, await DeadLetterStore.InspectAsync(connection, id, cancellation));
        });
    }
}
