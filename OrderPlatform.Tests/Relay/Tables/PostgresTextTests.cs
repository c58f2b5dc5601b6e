using System.Text;
using System.Text.Json;
using OrderPlatform.Relay.Tables;

namespace OrderPlatform.Tests.Relay.Tables;

public sealed class PostgresTextTests
{
    /// <summary>https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-data-types</summary>
    [Theory]
    [InlineData(16, "t", "true")]
    [InlineData(16, "f", "false")]
    [InlineData(17, @"\x01ff", "\"Af8=\"")]
    [InlineData(20, "-9223372036854775808", "-9223372036854775808")]
    [InlineData(23, "7", "7")]
    [InlineData(701, "1e+20", "1e\u002B20")]
    [InlineData(701, "NaN", "\"NaN\"")]
    [InlineData(1082, "1970-01-02", "1")]
    [InlineData(1082, "infinity", "\"infinity\"")]
    [InlineData(1083, "00:00:01.000002", "1000002")]
    [InlineData(1114, "2018-06-20 15:13:16.945104", "1529507596945104")]
    [InlineData(1184, "2026-01-31 12:00:00+00", "\"2026-01-31T12:00:00Z\"")]
    [InlineData(1184, "2026-01-31 12:00:00.5+00", "\"2026-01-31T12:00:00.5Z\"")]
    [InlineData(1700, "12.50", "\"12.50\"")]
    [InlineData(3802, "7", "\"7\"")]
    [InlineData(25, null, "null")]
    public void A_value_is_written_as_the_documentation_says(uint type, string? text, string expected)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            PostgresText.Write(json, type, text);
        }
        Encoding.UTF8.GetString(buffer.ToArray()).ShouldBe(expected);
    }
}
