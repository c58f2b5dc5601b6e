using System.Text;
using OrderPlatform.Contracts;
using Shouldly;

namespace OrderPlatform.Tests.Contracts;

public sealed class UtcTimeTests
{
    [Theory]
    [InlineData("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z")]
    [InlineData("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.5Z")]
    [InlineData("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.123456Z")]
    [InlineData("2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00.123456Z")]
    [InlineData("2026-01-31T12:00Z", "2026-01-31T12:00:00Z")]
    [InlineData("2026-01-31T14:00:00.25+02:00", "2026-01-31T12:00:00.25Z")]
    public void A_time_with_an_offset_is_read_in_UTC_and_whole_microseconds(string text, string expected)
    {
        UtcTime.TryParse(text, out var fromText).ShouldBeTrue();
        UtcTime.TryParse(Encoding.UTF8.GetBytes(text), out var fromBytes).ShouldBeTrue();

        UtcTime.Format(fromText).ShouldBe(expected);
        fromBytes.ShouldBe(fromText);
        fromBytes.Offset.ShouldBe(TimeSpan.Zero);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Z")]
    [InlineData("2026-01-31T12:00:00")]
    [InlineData("2026-01-31T12:00:00.123456")]
    [InlineData("2026-02-30T12:00:00Z")]
    [InlineData("2026-01-31T24:00:00Z")]
    [InlineData("2026-01-31T12:00:00,5Z")]
    [InlineData("2026-01-31T12:00:00.5xZ")]
    [InlineData("2026-01-31T12:00:00.12345678Z")]
    [InlineData("2026-01-31 12:00:00.5Z")]
    public void Anything_else_is_no_time(string text)
    {
        UtcTime.TryParse(text, out _).ShouldBeFalse();
        UtcTime.TryParse(Encoding.UTF8.GetBytes(text), out _).ShouldBeFalse();
    }
}
