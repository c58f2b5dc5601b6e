using System.Text.Json.Serialization;
using Microsoft.AspNetCore.WebUtilities;
using Npgsql;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Http;

/// <summary>RFC 9457's problem details, of the type about:blank.</summary>
/// <param name="Title">The status in words.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Detail">What is wrong and how to mend it.</param>
/// <param name="Instance">The path that was asked for.</param>
/// <param name="Errors">What is wrong with which field, by its JSON path.</param>
public sealed record Problem(
    string Title, int Status, string Detail, string Instance, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string[]>? Errors = null);

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
    private static readonly TimeSpan DatabaseRetry = TimeSpan.FromSeconds(1);

    public static void UseProblems(this WebApplication app)
    {
        app.UseStatusCodePages(context => WriteAsync(context.HttpContext, Refused(context.HttpContext)));
        app.Use(async (http, next) =>
        {
            try
            {
                await next(http);
            }
            catch (Exception e) when (!http.Response.HasStarted && Explained(e) is not null)
            {
                await WriteAsync(http, Explained(e)!);
            }
        });
    }

    private static ProblemException? Explained(Exception e) => e switch
    {
        ProblemException problem => problem,
        BadHttpRequestException bad => new ProblemException(bad.StatusCode, bad.Message),
        // 57P01 to 57P05: the server is being shut down or restarted; 25P04: it ended a transaction that took too long
        NpgsqlException { IsTransient: true } or NpgsqlException { SqlState: ['5', '7', 'P', ..] or "25P04" } =>
            new ProblemException(StatusCodes.Status503ServiceUnavailable, "The database cannot do this at the moment. Send the request again, with the same Idempotency-Key.") { RetryAfter = DatabaseRetry },
        { InnerException: { } inner } => Explained(inner), // EF Core wraps
        _ => null,
    };

    private static ProblemException Refused(HttpContext http) => new(http.Response.StatusCode, http.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => "There is nothing at this address. /docs lists what there is.",
        StatusCodes.Status405MethodNotAllowed => $"This address does not take {http.Request.Method}; the header Allow says what it takes.",
        _ => "The request was refused.",
    });

    private static Task WriteAsync(HttpContext http, ProblemException problem)
    {
        if (problem.RetryAfter is { } wait)
        {
            http.Response.Headers.RetryAfter = $"{Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds))}";
        }
        http.Response.StatusCode = problem.Status;
        var details = new Problem(ReasonPhrases.GetReasonPhrase(problem.Status), problem.Status, problem.Message, http.Request.Path, problem.Errors);
        return http.Response.WriteAsJsonAsync(details, PlatformJson.Options, "application/problem+json", http.RequestAborted);
    }
}
