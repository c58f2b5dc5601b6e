using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using OrderPlatform.Api.Operations;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Description;

/// <summary>Parameters by their names, which mean the same everywhere (or by the operation's id and theirs, where they do not). They are taken as text, so that a wrong one is answered with a problem that names it.</summary>
internal static class Parameters
{
    private static readonly Dictionary<string, (string Description, OpenApiSchema Schema)> Known = new()
    {
        ["id"] = ("Its id.", Text()),
        ["productId"] = ("The product's id.", Text()),
        ["customerId"] = ("Only of this customer.", Text()),
        ["status"] = ("Only with this status.", OneOf(Enum.GetNames<OrderStatus>())),
        ["consumer"] = ("Only of this projection or participant; relay: what Kafka refused.", Text()),
        ["topic"] = ("Only of this topic.", Text()),
        ["key"] = ("Only of this key, which is an aggregate's id.", Text()),
        ["state"] = ("Only in this state.", OneOf(Enum.GetNames<DeadLetterState>())),
        ["q"] = ("Words, or parts of them, that an order must have all of.", Text()),
        ["grain"] = ("How long a period is.", OneOf("hour", "day")),
        ["window"] = ("Over which days, by UTC date; all when left out.", OneOf("today", "30d", "all")),
        ["name"] = ("The projection.", OneOf([.. RebuildableProjections.All])),
        ["table"] = ("The table whose changes are published.", OneOf([.. CapturedTables.All])),
        ["kind"] = ("Of what.", OneOf("products", "customers")),
        ["currency"] = ("Amounts of this currency only; USD when left out.", Text()),
        ["from"] = ("From this time on.", Time()),
        ["to"] = ("Before this time.", Time()),
        ["asOf"] = ("As it was at this time; 404 before it was there.", Time()),
        ["limit"] = ("How many at most on a page.", Count(most: 200, otherwise: 50)),
        ["GetRanking.limit"] = ("How many at most.", Count(most: 100, otherwise: 10)),
        ["cursor"] = ("The nextCursor of the page before.", Text()),
    };

    public static OpenApiParameter IdempotencyKey =>
        Header("Idempotency-Key", "New for every new request, the same for its repeats: a repeat is answered from the record of the first. 1 to 255 printable ASCII characters.", required: true);

    public static void Describe(OpenApiParameter parameter, string? operationId)
    {
        if (Known.TryGetValue($"{operationId}.{parameter.Name}", out var known) || Known.TryGetValue(parameter.Name ?? "", out known))
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

    private static OpenApiSchema OneOf(params string[] values) => new() { Type = JsonSchemaType.String, Enum = [.. values.Select(value => (JsonNode)value)] };

    private static OpenApiSchema Count(int most, int otherwise) => new() { Type = JsonSchemaType.Integer, Minimum = "1", Maximum = $"{most}", Default = otherwise };

    private static OpenApiSchema Time() => new() { Type = JsonSchemaType.String, Format = "date-time" };
}
