using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using OrderPlatform.Api.Audits;
using OrderPlatform.Api.Customers;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Operations;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Products;
using OrderPlatform.Api.Rebuilds;

namespace OrderPlatform.Api.Description;

/// <summary>Schemas of what cannot be generated: what the platform's JSON converters write, and what a request must have.</summary>
internal static class Schemas
{
    /// <summary>What can be sent as it is.</summary>
    private static readonly Dictionary<Type, string> Examples = new()
    {
        [typeof(PlaceOrderRequest)] = """{"customerId":"c-1","currency":"USD","items":[{"productId":"cd-1177","quantity":2,"unitPrice":11.77}]}""",
        [typeof(ChangeItemsRequest)] = """{"items":[{"productId":"cd-1177","quantity":1,"unitPrice":11.77}]}""",
        [typeof(CancelOrderRequest)] = """{"reason":"changed my mind"}""",
        [typeof(PutProductRequest)] = """{"name":"Mixtape, 120 minutes","price":3.95,"currency":"USD"}""",
        [typeof(ReceiveStockRequest)] = """{"quantity":100}""",
        [typeof(RegisterCustomerRequest)] = """{"id":"c-1","name":"Ada Lovelace","email":"ada@example.com"}""",
        [typeof(RedriveRequest)] = """{"reason":"the projection is mended"}""",
        [typeof(DiscardRequest)] = """{"reason":"a test record that nobody needs"}""",
        [typeof(RequestAuditsRequest)] = """{"audits":["order-view","rankings"]}""",
        [typeof(RepairViolationsRequest)] = """{"reason":"the disk of the search database was swapped"}""",
        [typeof(RequestRebuildRequest)] = """{"projection":"rankings","reason":"checking after the incident of Monday"}""",
        [typeof(ResetProjectionRequest)] = """{"time":"2026-01-31T12:00:00Z","reason":"records of that hour were skipped"}""",
        [typeof(Problem)] = """{"title":"Bad Request","status":400,"detail":"currency: is required.","instance":"/orders","errors":{"currency":["is required."]}}""",
        [typeof(ChangeCustomerRequest)] = """{"address":"12 St James's Square, London"}""",
    };

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
        if (Examples.TryGetValue(type, out var example))
        {
            schema.Examples = [JsonNode.Parse(example)!];
        }
        // A request's fields are nullable in C# so that a missing one is named by its use case. What may be left out has a default.
        if (context.JsonPropertyInfo?.DeclaringType.Name.EndsWith("Request", StringComparison.Ordinal) is true)
        {
            schema.Type &= ~JsonSchemaType.Null;
            schema.Default = null;
        }
    }
}
