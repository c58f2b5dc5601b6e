using Microsoft.Net.Http.Headers;

namespace OrderPlatform.Api.Http;

/// <summary>Versions as ETags, and the conditions on them (RFC 9110, 13.1).</summary>
internal static class ETags
{
    public static string Of(int version) => $"\"{version}\"";

    /// <summary>What If-Match names: the versions that a change may be based on.</summary>
    /// <exception cref="ProblemException">428 without it.</exception>
    public static IfMatch RequireIfMatch(this HttpContext http) => http.IfMatch()
        ?? throw new ProblemException(StatusCodes.Status428PreconditionRequired, "Send If-Match with the ETag of what you want to change.");

    /// <summary>The same, or null without it.</summary>
    public static IfMatch? IfMatch(this HttpContext http) =>
        http.Request.Headers.IfMatch.Count == 0 ? null : new IfMatch(http.Request.GetTypedHeaders().IfMatch);

    /// <summary>Whether the caller has this version already, by If-None-Match.</summary>
    public static bool HasSeen(this HttpContext http, int version) =>
        http.Request.GetTypedHeaders().IfNoneMatch.Any(tag => tag.Tag == "*" || tag.Tag == Of(version));

    /// <summary>The answer to a caller who has seen it.</summary>
    public static IResult NotModified(this HttpContext http, int version)
    {
        http.Response.Headers.ETag = Of(version);
        return Results.StatusCode(StatusCodes.Status304NotModified);
    }
}

/// <summary>The ETags of If-Match; what cannot be read as one matches nothing.</summary>
internal sealed class IfMatch(IList<EntityTagHeaderValue> tags)
{
    /// <exception cref="ProblemException">412 when none of them is that version.</exception>
    public void Require(int version)
    {
        if (!tags.Any(tag => !tag.IsWeak && (tag.Tag == "*" || tag.Tag == ETags.Of(version))))
        {
            throw Stale();
        }
    }

    /// <summary>The version has been changed by somebody else.</summary>
    public static ProblemException Stale() =>
        new(StatusCodes.Status412PreconditionFailed, "It has changed since you read it. Read it again and repeat the change with its new ETag.");
}
