using System.Globalization;
using OrderPlatform.Contracts;

namespace OrderPlatform.Api.Http;

/// <summary>Checks of what callers send. Each throws a <see cref="ProblemException"/> that names the field and what fits it.</summary>
internal static class Check
{
    private const int MaxIdLength = 100;

    /// <summary>An id that callers choose: 1 to 100 characters, none of them a control character, no space around.</summary>
    public static string Id(string? value, string field)
    {
        var text = Required(value, field);
        return text.Length is > 0 and <= MaxIdLength && !text.Any(char.IsControl) && text.Trim() == text
            ? text
            : throw ProblemException.Invalid(field, $"must have 1 to {MaxIdLength} characters, without control characters and without spaces around.");
    }

    /// <summary>A text of at most <paramref name="max"/> characters; null stays null.</summary>
    public static string? Text(string? value, string field, int max) =>
        value is null || (value.Length <= max && !value.Any(c => char.IsControl(c) && c is not ('\n' or '\t')))
            ? value
            : throw ProblemException.Invalid(field, $"must have at most {max} characters, without control characters.");

    /// <summary>A text that says something: 1 to <paramref name="max"/> characters.</summary>
    public static string Name(string? value, string field, int max) =>
        string.IsNullOrWhiteSpace(Text(Required(value, field), field, max)) ? throw ProblemException.Invalid(field, "must not be empty.") : value!;

    /// <summary>An ISO 4217 code: three capital letters.</summary>
    public static string Currency(string? value, string field) =>
        Required(value, field) is { Length: 3 } code && code.All(char.IsAsciiLetterUpper)
            ? code
            : throw ProblemException.Invalid(field, "must be a currency code of three capital letters, such as USD.");

    /// <summary>A whole number within bounds.</summary>
    public static int Between(int? value, int min, int max, string field) =>
        value is { } number && number >= min && number <= max
            ? number
            : throw ProblemException.Invalid(field, $"must be a whole number from {min} to {max}.");

    /// <summary>An amount from 0 to <paramref name="max"/> with at most two decimals.</summary>
    public static decimal Amount(decimal? value, decimal max, string field) =>
        value is { } amount && amount >= 0 && amount <= max && decimal.Round(amount, 2) == amount
            ? decimal.Round(amount, 2)
            : throw ProblemException.Invalid(field, $"must be an amount from 0 to {max:F2} with at most two decimals.");

    /// <summary>A time in the query; null stays null.</summary>
    public static DateTimeOffset? Time(string? value, string field) =>
        value is null ? null
        : UtcTime.TryParse(value, out var time) ? time
        : throw ProblemException.Invalid(field, "must be a time in ISO 8601 with an offset, such as 2026-01-31T12:00:00Z.");

    /// <summary>A time in the query, or a date, which is its first moment in UTC; null stays null.</summary>
    public static DateTimeOffset? DateOrTime(string? value, string field) =>
        DateOnly.TryParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? new DateTimeOffset(date, TimeOnly.MinValue, TimeSpan.Zero)
            : value is null || UtcTime.TryParse(value, out _) ? Time(value, field)
            : throw ProblemException.Invalid(field, "must be a date or a time in ISO 8601 with an offset, such as 2026-01-31 or 2026-01-31T12:00:00Z.");

    private static string Required(string? value, string field) => value ?? throw ProblemException.Invalid(field, "is required.");
}
