using Microsoft.AspNetCore.Mvc;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Http;

/// <summary>A request that cannot be done, as an RFC 9457 problem. Thrown before anything was written, or with the transaction rolled back.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="detail">One sentence for the caller that names the mend.</param>
public sealed class ProblemException(int status, string detail) : Exception(detail)
{
    /// <summary>HTTP status.</summary>
    public int Status => status;

    /// <summary>What is wrong with which field, by its JSON path.</summary>
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>When the caller may try again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A 400 that names the field.</summary>
    public static ProblemException Invalid(string field, string message) =>
        new(StatusCodes.Status400BadRequest, $"{field}: {message}") { Errors = new Dictionary<string, string[]> { [field] = [message] } };

    /// <summary>A 404.</summary>
    public static ProblemException NotFound(string what) => new(StatusCodes.Status404NotFound, $"There is no {what}.");
}

/// <summary>Answers every <see cref="ProblemException"/>, and what the framework refuses, with problem details.</summary>
internal static class ProblemMiddleware
{
    public static void UseProblems(this WebApplication app) => app.Use(async (http, next) =>
    {
        try
        {
            await next(http);
        }
        catch (ProblemException e) when (!http.Response.HasStarted)
        {
            await WriteAsync(http, e);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await WriteAsync(http, new ProblemException(e.StatusCode, e.Message));
        }
    });

    private static Task WriteAsync(HttpContext http, ProblemException problem)
    {
        if (problem.RetryAfter is { } wait)
        {
            http.Response.Headers.RetryAfter = $"{Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds))}";
        }
        http.Response.StatusCode = problem.Status;
        var details = new ProblemDetails { Status = problem.Status, Title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(problem.Status), Detail = problem.Message, Instance = http.Request.Path };
        if (problem.Errors is not null)
        {
            details.Extensions["errors"] = problem.Errors;
        }
        return http.Response.WriteAsJsonAsync(details, PlatformJson.Options, "application/problem+json", http.RequestAborted);
    }
}
