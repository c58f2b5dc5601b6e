using System.Globalization;
using System.Text.Json;

namespace OrderPlatform.Relay.Tables;

/// <summary>
/// PostgreSQL's text of a value as Debezium's JSON, with <c>decimal.handling.mode=string</c> and <c>time.precision.mode=microseconds</c>.
/// A type that is not named here is a string, as PostgreSQL writes it.
/// https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-data-types
/// </summary>
internal static class PostgresText
{
    /// <summary>What a session must be set to, so that its text is read rightly, as SQL of a transaction.</summary>
    public const string SetLocal = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1";

    /// <summary>The same as options of a connection.</summary>
    public const string ConnectionOptions = "-c TimeZone=UTC -c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=1";

    private const string UtcOffset = "+00";

    // pg_type.dat: these never change
    private const uint Bool = 16, Bytea = 17, Int8 = 20, Int2 = 21, Int4 = 23, Oid = 26, Float4 = 700, Float8 = 701, Date = 1082, Time = 1083, Timestamp = 1114, TimestampTz = 1184;

    private static readonly string[] TimestampFormats = ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.FFFFFF"];

    /// <summary>Writes the value.</summary>
    /// <param name="type">OID of its type.</param>
    public static void Write(Utf8JsonWriter json, uint type, string? text)
    {
        switch (type)
        {
            case var _ when text is null:
                json.WriteNullValue();
                break;
            case Bool:
                json.WriteBooleanValue(text == "t");
                break;
            case Int2 or Int4 or Int8 or Oid:
                json.WriteRawValue(text);
                break;
            case Float4 or Float8 when double.IsFinite(double.Parse(text, CultureInfo.InvariantCulture)):
                json.WriteRawValue(text);
                break;
            case Bytea:
                json.WriteBase64StringValue(Convert.FromHexString(text.AsSpan(2))); // \x
                break;
            case TimestampTz when text.EndsWith(UtcOffset, StringComparison.Ordinal):
                json.WriteStringValue(text[..^UtcOffset.Length].Replace(' ', 'T') + "Z");
                break;
            case Timestamp when DateTime.TryParseExact(text, TimestampFormats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time):
                json.WriteNumberValue((time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
                break;
            case Date when DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day):
                json.WriteNumberValue(day.DayNumber - DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber);
                break;
            case Time when TimeOnly.TryParse(text, CultureInfo.InvariantCulture, out var ofDay):
                json.WriteNumberValue(ofDay.Ticks / TimeSpan.TicksPerMicrosecond);
                break;
            default:
                json.WriteStringValue(text);
                break;
        }
    }
}
