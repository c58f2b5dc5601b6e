using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Authentication;

/// <summary>Endpoints that need a key with a scope.</summary>
internal static class ApiKeyAuthentication
{
    public const string Header = "X-Api-Key";

    /// <summary>Lets only callers with the scope in, and no more often than their key allows.</summary>
    public static TBuilder RequireScope<TBuilder>(this TBuilder endpoints, string scope)
        where TBuilder : IEndpointConventionBuilder =>
        endpoints.WithMetadata(new ScopeRequirement(scope));

    /// <summary>Checks the key of every endpoint that asks for a scope, before its body is read.</summary>
    public static void UseApiKeys(this WebApplication app) => app.Use(async (http, next) =>
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<ScopeRequirement>() is { } requirement)
        {
            http.Items[typeof(Caller)] = await CallerOfAsync(http);
            http.Require(requirement.Scope);
            http.RequestServices.GetRequiredService<RateLimits>().Take(http.Caller());
        }
        await next(http);
    });

    /// <summary>Who calls.</summary>
    public static Caller Caller(this HttpContext http) => (Caller)http.Items[typeof(Caller)]!;

    /// <summary>Refuses a caller without the scope.</summary>
    /// <exception cref="ProblemException">403.</exception>
    public static void Require(this HttpContext http, string scope)
    {
        if (!http.Caller().Scopes.Contains(scope))
        {
            throw new ProblemException(StatusCodes.Status403Forbidden, $"This needs a key with the scope {scope}.");
        }
    }

    private static async Task<Caller> CallerOfAsync(HttpContext http) =>
        http.Request.Headers[Header] is [{ Length: > 0 and <= 200 } key]
            && await http.RequestServices.GetRequiredService<ApiKeys>().FindAsync(key, http.RequestAborted) is { } caller
            ? caller
            : throw new ProblemException(StatusCodes.Status401Unauthorized, $"Send your API key in the header {Header}. The standalone host prints a development key when it is up.");
}

/// <summary>An endpoint's scope.</summary>
internal sealed record ScopeRequirement(string Scope);
