using System.Text.Json;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Http;

/// <summary>An answer in its final form, so that it can be kept and given again byte for byte.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Headers">Headers beyond Content-Type: Location, ETag.</param>
/// <param name="Body">The JSON.</param>
public sealed record Answer(int Status, IReadOnlyDictionary<string, string> Headers, byte[] Body) : IResult
{
    /// <summary>An answer with <paramref name="body"/> as the platform's JSON.</summary>
    public static Answer Json<T>(int status, T body, params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var named = new Dictionary<string, string>();
        foreach (var (name, value) in headers)
        {
            named[name] = value;
        }
        return new Answer(status, named, JsonSerializer.SerializeToUtf8Bytes(body, PlatformJson.Options));
    }

    /// <summary>A 200 with the ETag of that version.</summary>
    public static Answer Ok<T>(T body, int version) => Json(StatusCodes.Status200OK, body, ("ETag", ETags.Of(version)));

    /// <summary>A 201 with its place and the ETag of that version.</summary>
    public static Answer Created<T>(string location, T body, int version) => Json(StatusCodes.Status201Created, body, ("Location", location), ("ETag", ETags.Of(version)));

    /// <inheritdoc />
    public Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = Status;
        foreach (var (name, value) in Headers)
        {
            response.Headers[name] = value;
        }
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = Body.Length;
        return response.Body.WriteAsync(Body, httpContext.RequestAborted).AsTask();
    }
}
