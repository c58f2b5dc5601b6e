using System.Globalization;
using System.Text.RegularExpressions;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>An error as ClickHouse words it: <c>Code: 60. DB::Exception: ... (UNKNOWN_TABLE)</c>.</summary>
internal sealed partial class ClickHouseError(string text) : Exception(text)
{
    /// <summary>ClickHouse's error code; 1002 (UNKNOWN_EXCEPTION) when the text names none.</summary>
    public int Code { get; } = CodePattern().Match(text) is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 1002;

    /// <summary>The HTTP status that the server gives the code (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).</summary>
    public int HttpStatus => Code switch
    {
        194 => 401, // REQUIRED_PASSWORD
        192 or 193 or 497 or 512 or 516 => 403, // who may not
        6 or 8 or 15 or 25 or 26 or 27 or 36 or 37 or 38 or 41 or 44 or 53 or 62 or 72 or 117 or 123 or 167 or 168 or 223 or 321 or 376 or 427 or 441 or 675 or 676 => 400, // what cannot be parsed or compared
        46 or 47 or 50 or 56 or 60 or 63 or 73 or 78 or 81 or 115 or 152 or 336 or 511 => 404, // what does not exist
        229 => 413, // QUERY_IS_TOO_LARGE
        48 => 501, // NOT_IMPLEMENTED
        209 or 76 or 439 => 503, // SOCKET_TIMEOUT, CANNOT_OPEN_FILE, CANNOT_SCHEDULE_TASK
        381 => 411, // HTTP_LENGTH_REQUIRED
        159 => 408, // TIMEOUT_EXCEEDED
        _ => 500,
    };

    /// <summary>SYNTAX_ERROR.</summary>
    public static ClickHouseError Syntax(string message) => new($"Code: 62. DB::Exception: Syntax error: {message} (SYNTAX_ERROR)");

    /// <summary>NOT_IMPLEMENTED: the server can, this engine cannot.</summary>
    public static ClickHouseError NotImplemented(string message) => new($"Code: 48. DB::Exception: {message} (NOT_IMPLEMENTED)");

    [GeneratedRegex(@"^Code: (\d+)\.")]
    private static partial Regex CodePattern();
}
