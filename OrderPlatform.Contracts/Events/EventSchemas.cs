using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Contracts.Events;

/// <summary>JSON Schemas (2020-12) of events, made from their records. They are committed under OrderPlatform.Contracts/schemas.</summary>
public static class EventSchemas
{
    private static readonly JsonSerializerOptions Indented = new(PlatformJson.Options) { WriteIndented = true };

    private static readonly JsonSchemaExporterOptions Exporting = new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Converted };

    /// <summary>The schema of a type of event.</summary>
    public static JsonObject Of(EventType type)
    {
        var schema = (JsonObject)PlatformJson.Options.GetJsonSchemaAsNode(type.Payload, Exporting);
        schema.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.Insert(1, "$id", type.DataSchema);
        schema.Insert(2, "title", type.Name);
        return schema;
    }

    /// <summary>A schema as its file has it.</summary>
    public static string Text(JsonObject schema) => schema.ToJsonString(Indented);

    // what the platform's converters write, which nothing can be generated from
    private static JsonNode Converted(JsonSchemaExporterContext context, JsonNode schema)
    {
        var type = context.TypeInfo.Type;
        var nullable = Nullable.GetUnderlyingType(type) is not null || context.PropertyInfo?.IsGetNullable is true;
        return (Nullable.GetUnderlyingType(type) ?? type) switch
        {
            var money when money == typeof(decimal) => new JsonObject { ["type"] = TypeOf("number", nullable) },
            var time when time == typeof(DateTimeOffset) => new JsonObject { ["type"] = TypeOf("string", nullable), ["format"] = "date-time" },
            var bytes when bytes == typeof(byte[]) => new JsonObject { ["type"] = TypeOf("string", nullable), ["contentEncoding"] = "base64" },
            _ => schema,
        };
    }

    private static JsonNode TypeOf(string name, bool nullable) => nullable ? new JsonArray(name, "null") : name;
}
