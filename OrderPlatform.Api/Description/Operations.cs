using System.Reflection;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.OpenApi;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;

namespace OrderPlatform.Api.Description;

/// <summary>Adds to each operation what follows from how it is built: its scope, its headers and the problems that it can answer with.</summary>
internal static class Operations
{
    public static async Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellation)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var method = context.Description.HttpMethod;
        var problems = new SortedSet<int>();
        foreach (var parameter in (operation.Parameters ?? []).OfType<OpenApiParameter>())
        {
            Parameters.Describe(parameter, operation.OperationId);
            problems.Add(parameter.In == ParameterLocation.Path && method != "PUT" ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest);
        }
        if (metadata.OfType<ScopeRequirement>().SingleOrDefault() is { } requirement)
        {
            operation.Description = $"{operation.Description} Needs the scope `{requirement.Scope}`.".TrimStart();
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(ApiDescription.SecurityScheme, context.Document)] = [] }];
            problems.UnionWith([StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status429TooManyRequests, StatusCodes.Status503ServiceUnavailable]);
        }
        if (operation.RequestBody is not null)
        {
            problems.UnionWith([StatusCodes.Status400BadRequest, StatusCodes.Status413PayloadTooLarge, StatusCodes.Status415UnsupportedMediaType]);
        }
        if (metadata.OfType<MethodInfo>().Single().GetParameters().Any(parameter => parameter.ParameterType == typeof(IdempotentWrites)))
        {
            AddHeader(operation, Parameters.IdempotencyKey);
            problems.UnionWith([StatusCodes.Status400BadRequest, StatusCodes.Status409Conflict, StatusCodes.Status422UnprocessableEntity]);
        }
        if (method is "PUT" or "PATCH")
        {
            AddHeader(operation, Parameters.IfMatch(required: method == "PATCH"));
            problems.UnionWith([StatusCodes.Status412PreconditionFailed, StatusCodes.Status428PreconditionRequired]);
        }
        problems.UnionWith(metadata.OfType<CanAnswer>().Select(answer => answer.Status));
        await AddProblemsAsync(operation, context, problems, cancellation);
        AddAnswerHeaders(operation);
    }

    /// <summary>Says that the endpoint can answer with that problem, which nothing else tells.</summary>
    public static RouteHandlerBuilder CanAnswer(this RouteHandlerBuilder endpoint, int status) => endpoint.WithMetadata(new CanAnswer(status));

    /// <summary>Says that the endpoint sends a version once only to whoever shows its ETag.</summary>
    public static RouteHandlerBuilder SendsVersionsOnce(this RouteHandlerBuilder endpoint) => endpoint
        .Produces(StatusCodes.Status304NotModified)
        .TakesHeader("If-None-Match", "The ETag of the version that the caller has.");

    /// <summary>Says that the endpoint takes that header.</summary>
    public static RouteHandlerBuilder TakesHeader(this RouteHandlerBuilder endpoint, string name, string description) =>
        endpoint.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            AddHeader(operation, Parameters.Header(name, description, required: false));
            return Task.CompletedTask;
        });

    private static void AddHeader(OpenApiOperation operation, OpenApiParameter header) => (operation.Parameters ??= []).Add(header);

    private static async Task AddProblemsAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, SortedSet<int> statuses, CancellationToken cancellation)
    {
        var document = context.Document!;
        if (document.Components?.Schemas?.ContainsKey(nameof(Problem)) is not true)
        {
            document.AddComponent(nameof(Problem), await context.GetOrCreateSchemaAsync(typeof(Problem), parameterDescription: null, cancellation));
        }
        operation.Responses ??= [];
        foreach (var status in statuses)
        {
            var name = $"Problem{status}";
            if (document.Components?.Responses?.ContainsKey(name) is not true)
            {
                document.AddComponent(name, ProblemOf(status, document));
            }
            operation.Responses[$"{status}"] = new OpenApiResponseReference(name, document);
        }
    }

    private static OpenApiResponse ProblemOf(int status, OpenApiDocument document) => new()
    {
        Description = ReasonPhrases.GetReasonPhrase(status),
        Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference(nameof(Problem), document) } },
        Headers = status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable
            ? new Dictionary<string, IOpenApiHeader> { ["Retry-After"] = Parameters.AnswerHeader("Seconds to wait before the next try.", JsonSchemaType.Integer) }
            : null,
    };

    private static void AddAnswerHeaders(OpenApiOperation operation)
    {
        if (operation.Responses?.GetValueOrDefault("201") is OpenApiResponse created)
        {
            created.Headers = new Dictionary<string, IOpenApiHeader>
            {
                ["Location"] = Parameters.AnswerHeader("Where it is.", JsonSchemaType.String),
                ["ETag"] = Parameters.AnswerHeader("Its version.", JsonSchemaType.String),
            };
        }
        if (operation.Responses?.GetValueOrDefault("202") is OpenApiResponse accepted)
        {
            accepted.Headers = new Dictionary<string, IOpenApiHeader> { ["Location"] = Parameters.AnswerHeader("Where its outcome will be.", JsonSchemaType.String) };
        }
        if (operation.Parameters?.Any(parameter => parameter.Name == "cursor") is true && operation.Responses?.GetValueOrDefault("200") is OpenApiResponse page)
        {
            page.Headers = new Dictionary<string, IOpenApiHeader> { ["Link"] = Parameters.AnswerHeader("rel=\"next\": the next page (RFC 8288). Not there on the last one.", JsonSchemaType.String) };
        }
    }
}

/// <summary>A problem that an endpoint can answer with.</summary>
internal sealed record CanAnswer(int Status);
