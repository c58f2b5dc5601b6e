using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrderPlatform.Contracts.Json;

/// <summary>JSON as the platform writes it everywhere: camelCase, money with two decimals, times in ISO 8601 UTC, enums by name.</summary>
public static class PlatformJson
{
    /// <summary>For events and answers. Reading ignores what it does not know, so that a newer producer does not stop an older consumer.</summary>
    public static JsonSerializerOptions Options { get; } = Frozen(new JsonSerializerOptions { RespectRequiredConstructorParameters = true });

    /// <summary>For requests: an unknown field is an error, since it is a misspelt one or one that would be silently ignored. What is missing is null: the use case names it.</summary>
    public static JsonSerializerOptions Strict { get; } = Frozen(new JsonSerializerOptions { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow });

    /// <summary>Makes <paramref name="options"/> write and read as the platform does.</summary>
    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.RespectNullableAnnotations = true;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.AllowDuplicateProperties = false;
        // characters beyond ASCII stay readable; nothing of this is put into HTML
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new MoneyConverter());
        options.Converters.Add(new UtcTimeConverter());
        options.Converters.Add(new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false));
    }

    private static JsonSerializerOptions Frozen(JsonSerializerOptions options)
    {
        Configure(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>A decimal is an amount of money: written with two decimals.</summary>
    private sealed class MoneyConverter : JsonConverter<decimal>
    {
        public override decimal Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDecimal();

        public override void Write(Utf8JsonWriter writer, decimal value, JsonSerializerOptions options)
        {
            Span<byte> text = stackalloc byte[40];
            value.TryFormat(text, out var length, "F2", CultureInfo.InvariantCulture);
            writer.WriteRawValue(text[..length], skipInputValidation: true);
        }
    }

    /// <summary>A time is written in UTC with Z; one without an offset is refused, since nobody knows when it was.</summary>
    private sealed class UtcTimeConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String
            && (reader.HasValueSequence || reader.ValueIsEscaped ? UtcTime.TryParse(reader.GetString(), out var time) : UtcTime.TryParse(reader.ValueSpan, out time))
                ? time
                : throw new JsonException("A time is a string in ISO 8601 with an offset, as in 2026-01-31T12:00:00Z.");

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) => writer.WriteStringValue(UtcTime.Format(value));
    }
}
