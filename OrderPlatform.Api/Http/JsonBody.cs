using System.Buffers;
using System.Reflection;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http.Metadata;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Http;

/// <summary>A request's JSON body, read strictly: bounded, valid UTF-8, no unknown or doubled fields.</summary>
/// <typeparam name="T">What it says. Its fields are nullable: what is missing is named by the use case's own validation.</typeparam>
/// <param name="Value">The content; null when the body is empty.</param>
/// <param name="Bytes">The bytes as they came, which an idempotency key is bound to.</param>
public sealed record JsonBody<T>(T? Value, ReadOnlyMemory<byte> Bytes) : IEndpointParameterMetadataProvider
    where T : class
{
    /// <summary>256 KB: an order of 500 lines needs less than a fifth of it.</summary>
    private const int MaxBytes = 256 * 1024;

    /// <summary>Called by the framework.</summary>
    /// <exception cref="ProblemException">400, 413 or 415.</exception>
    public static async ValueTask<JsonBody<T>?> BindAsync(HttpContext http)
    {
        var bytes = await ReadAsync(http);
        if (bytes.Length == 0)
        {
            return new JsonBody<T>(null, bytes);
        }
        if (!http.Request.HasJsonContentType())
        {
            throw new ProblemException(StatusCodes.Status415UnsupportedMediaType, "Send the body as JSON, with Content-Type: application/json.");
        }
        if (!Utf8.IsValid(bytes))
        {
            throw new ProblemException(StatusCodes.Status400BadRequest, "The body is not valid UTF-8.");
        }
        try
        {
            return new JsonBody<T>(JsonSerializer.Deserialize<T>(bytes, PlatformJson.Strict) ?? throw ProblemException.Invalid("$", "must be an object, not null."), bytes);
        }
        catch (JsonException e)
        {
            throw Explained(e);
        }
    }

    /// <summary>Called by the framework: the body's type for the OpenAPI document.</summary>
    public static void PopulateMetadata(ParameterInfo parameter, EndpointBuilder builder) =>
        builder.Metadata.Add(new AcceptsMetadata(["application/json"], typeof(T)));

    private static async Task<byte[]> ReadAsync(HttpContext http)
    {
        if (http.Request.ContentLength > MaxBytes)
        {
            throw TooLarge();
        }
        var reader = http.Request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(http.RequestAborted);
            if (read.Buffer.Length > MaxBytes)
            {
                throw TooLarge();
            }
            if (read.IsCompleted)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return bytes;
            }
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private static ProblemException TooLarge() => new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {MaxBytes / 1024} KB.");

    // the serializer's own words name .NET types, which mean nothing to the caller
    private static ProblemException Explained(JsonException e)
    {
        var field = e.Path is { Length: > 2 } path ? path[2..] : "$";
        return ProblemException.Invalid(field, e.Message switch
        {
            var message when message.Contains("could not be mapped", StringComparison.Ordinal) => "is not a field that is known here.",
            var message when message.Contains("uplicate property", StringComparison.Ordinal) => "stands here twice.",
            var message when message.Contains("could not be converted", StringComparison.Ordinal) => "has a value of the wrong type or out of range.",
            var message when message.Contains("ISO 8601", StringComparison.Ordinal) => message,
            _ => "is not valid JSON here.",
        });
    }
}
