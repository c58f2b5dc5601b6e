using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Description;

/// <summary>Parameters by their names, which mean the same everywhere. They are taken as text, so that a wrong one is answered with a problem that names it.</summary>
internal static class Parameters
{
    private static readonly Dictionary<string, (string Description, OpenApiSchema Schema)> Known = new()
    {
        ["id"] = ("Its id.", Text()),
        ["productId"] = ("The product's id.", Text()),
        ["customerId"] = ("Only of this customer.", Text()),
        ["status"] = ("Only with this status.", new OpenApiSchema { Type = JsonSchemaType.String, Enum = [.. Enum.GetNames<OrderStatus>().Select(name => (JsonNode)name)] }),
        ["from"] = ("From this time on.", Time()),
        ["to"] = ("Before this time.", Time()),
        ["asOf"] = ("As it was at this time; 404 before it was there.", Time()),
        ["limit"] = ("How many at most on a page.", new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "1", Maximum = "200", Default = 50 }),
        ["cursor"] = ("The nextCursor of the page before.", Text()),
    };

    public static OpenApiParameter IdempotencyKey =>
        Header("Idempotency-Key", "New for every new request, the same for its repeats: a repeat is answered from the record of the first. 1 to 255 printable ASCII characters.", required: true);

    public static void Describe(OpenApiParameter parameter)
    {
        if (Known.TryGetValue(parameter.Name ?? "", out var known))
        {
            parameter.Description ??= known.Description;
            parameter.Schema = known.Schema;
        }
    }

    public static OpenApiParameter IfMatch(bool required) =>
        Header("If-Match", required ? "The ETag of the version that the change is based on." : "The ETag of the version that is replaced; left out for a new one.", required);

    public static OpenApiParameter Header(string name, string description, bool required) =>
        new() { Name = name, In = ParameterLocation.Header, Required = required, Description = description, Schema = Text() };

    public static OpenApiHeader AnswerHeader(string description, JsonSchemaType type) => new() { Description = description, Schema = new OpenApiSchema { Type = type } };

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    private static OpenApiSchema Time() => new() { Type = JsonSchemaType.String, Format = "date-time" };
}
