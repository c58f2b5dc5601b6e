using System.Text;
using System.Text.Json;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Operations;

/// <summary>Why a letter is redriven, and with which value when not with its own.</summary>
public sealed record RedriveRequest(string? Reason, JsonElement? Value = null);

/// <summary>
/// POST /operations/dead-letters/{id}/redrive: the consumer gets the record again within seconds, and after it what waits behind
/// it. If it fails again it is open again, at its place.
/// </summary>
internal static class RedriveDeadLetter
{
    public const int MaxReasonLength = 500;

    public static async Task<IResult> HandleAsync(HttpContext http, string id, JsonBody<RedriveRequest> body, IdempotentWrites writes)
    {
        var reason = Check.Name(body.Value?.Reason, "reason", MaxReasonLength);
        return await writes.RunAsync(http, body.Bytes, forGood: false, async (connection, cancellation) =>
        {
            var letter = await DeadLetterStore.LockFirstAsync(connection, id, cancellation);
            var edited = body.Value!.Value is { } value ? Checked(value, letter) : null;
            await DeadLetterStore.RedriveAsync(connection, letter, edited, http.Caller().Name, reason, cancellation);
            return Answer.Json(StatusCodes.Status200OK, await DeadLetterStore.InspectAsync(connection, id, cancellation));
        });
    }

    // a slip of the hand is told here, not by a letter that fails again
    private static byte[] Checked(JsonElement value, InspectedDeadLetter letter)
    {
        var type = letter.Headers.LastOrDefault(header => header.Name == Envelope.Type)?.Value;
        try
        {
            if (type is not null && EventTypes.Find(type) is { } known)
            {
                value.Deserialize(known.Payload, PlatformJson.Options);
            }
        }
        catch (JsonException e)
        {
            throw ProblemException.Invalid("value" + e.Path?[1..], $"is not of a {type}. GET the letter shows what it held.");
        }
        return Encoding.UTF8.GetBytes(value.GetRawText());
    }
}
