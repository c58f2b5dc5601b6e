using Microsoft.OpenApi;
using OrderPlatform.Api.Authentication;

namespace OrderPlatform.Api.Description;

/// <summary>What the Api says of itself: the OpenAPI document, a page to read and try it, and where these are.</summary>
internal static class ApiDescription
{
    public const string SecurityScheme = "ApiKey";
    private const string DocumentPath = "/openapi/v1.json";

    public static void AddApiDescription(this IServiceCollection services) => services.AddOpenApi(openApi =>
    {
        openApi.AddSchemaTransformer((schema, context, _) =>
        {
            Schemas.Describe(schema, context);
            return Task.CompletedTask;
        });
        openApi.AddOperationTransformer(Operations.TransformAsync);
        openApi.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "Order Platform", Version = "v1", Description = "Orders, products, stock and customers, and what is derived from them. Errors are RFC 9457 problem details; lists are paged by cursor; money has two decimals; times are ISO 8601 in UTC." };
            document.Servers = []; // whatever host it was asked at is not part of the contract
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [SecurityScheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Header, Name = ApiKeyAuthentication.Header, Description = "The standalone host prints a development key when it is up." },
            };
            return Task.CompletedTask;
        });
    });

    public static void MapApiDescription(this WebApplication app)
    {
        app.MapOpenApi();
        app.UseSwaggerUI(page =>
        {
            page.RoutePrefix = "docs";
            page.DocumentTitle = "Order Platform";
            page.SwaggerEndpoint(DocumentPath, "Order Platform v1");
            page.EnablePersistAuthorization();
            page.EnableDeepLinking();
            page.DefaultModelsExpandDepth(0);
            // there is one definition only
            page.HeadContent = "<style>.swagger-ui .topbar { display: none }</style>";
        });
        app.MapGet("/", () => new { name = "Order Platform", docs = "/docs", openapi = DocumentPath, health = "/health" }).ExcludeFromDescription();
    }
}
