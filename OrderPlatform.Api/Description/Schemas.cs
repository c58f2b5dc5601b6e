using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace OrderPlatform.Api.Description;

/// <summary>Schemas of what cannot be generated: what the platform's JSON converters write, and what a request must have.</summary>
internal static class Schemas
{
    public static void Describe(OpenApiSchema schema, OpenApiSchemaTransformerContext context)
    {
        var type = context.JsonTypeInfo.Type;
        var (written, format) = (Nullable.GetUnderlyingType(type) ?? type) switch
        {
            var money when money == typeof(decimal) => (JsonSchemaType.Number, null),
            var time when time == typeof(DateTimeOffset) => (JsonSchemaType.String, "date-time"),
            { IsEnum: true } => (JsonSchemaType.String, null),
            _ => ((JsonSchemaType?)null, schema.Format),
        };
        if (written is { } known)
        {
            schema.Type = Nullable.GetUnderlyingType(type) is null ? known : known | JsonSchemaType.Null;
            schema.Format = format;
        }
        // A request's fields are nullable in C# so that a missing one is named by its use case. What may be left out has a default.
        if (context.JsonPropertyInfo?.DeclaringType.Name.EndsWith("Request", StringComparison.Ordinal) is true)
        {
            schema.Type &= ~JsonSchemaType.Null;
            schema.Default = null;
        }
    }
}
