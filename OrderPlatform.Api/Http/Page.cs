using System.Buffers.Text;
using System.Text;

namespace OrderPlatform.Api.Http;

/// <summary>One page of a list.</summary>
/// <param name="Items">Its items.</param>
/// <param name="NextCursor">Give it back as <c>cursor</c> for the next page; null on the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Pages as answers.</summary>
internal static class Paging
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;

    /// <summary>The page size asked for, 1 to 200.</summary>
    public static int Limit(string? limit) =>
        limit is null ? DefaultLimit : Check.Between(int.TryParse(limit, out var number) ? number : null, 1, MaxLimit, "limit");

    /// <summary>The page, with RFC 8288's Link header to the next one. <paramref name="read"/> holds one item more than the limit when there is one.</summary>
    public static Answer Answer<T>(HttpContext http, IReadOnlyList<T> read, int limit, Func<T, string> cursorOf)
    {
        if (read.Count <= limit)
        {
            return Http.Answer.Json(StatusCodes.Status200OK, new Page<T>(read, null));
        }
        var items = read.Take(limit).ToList();
        var cursor = cursorOf(items[^1]);
        var query = http.Request.Query.Where(parameter => parameter.Key != "cursor").SelectMany(parameter => parameter.Value, (parameter, value) => KeyValuePair.Create(parameter.Key, value));
        var next = http.Request.Path + QueryString.Create(query).Add("cursor", cursor);
        return Http.Answer.Json(StatusCodes.Status200OK, new Page<T>(items, cursor), ("Link", $"<{next}>; rel=\"next\""));
    }

    /// <summary>Packs a position into an opaque cursor.</summary>
    public static string Pack(string position) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(position));

    /// <summary>Unpacks a cursor; null stays null.</summary>
    /// <exception cref="ProblemException">400: not one of ours.</exception>
    public static T? Unpack<T>(string? cursor, Func<string, T?> parse)
        where T : class
    {
        if (cursor is null)
        {
            return null;
        }
        try
        {
            return parse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor))) ?? throw Unusable();
        }
        catch (FormatException)
        {
            throw Unusable();
        }
    }

    private static ProblemException Unusable() => ProblemException.Invalid("cursor", "must be the nextCursor of an earlier page.");
}
