using System.Text.Json.Nodes;

namespace OrderPlatform.Tests.Contracts;

/// <summary>
/// What a change of an event's schema breaks: for consumers that know the old one, or for events of the log that were written
/// by it. Only new optional fields, and new values of an enumeration, break nothing.
/// </summary>
internal static class SchemaChange
{
    public static IReadOnlyList<string> Breaks(JsonNode before, JsonNode after) => [.. Breaks("$", before, after)];

    private static IEnumerable<string> Breaks(string path, JsonNode before, JsonNode after)
    {
        foreach (var keyword in (string[])["type", "format", "contentEncoding"])
        {
            if (before[keyword]?.ToJsonString() != after[keyword]?.ToJsonString())
            {
                yield return $"{path}: {keyword} was {before[keyword]?.ToJsonString() ?? "nothing"} and is {after[keyword]?.ToJsonString() ?? "nothing"}";
            }
        }
        foreach (var value in Texts(before["enum"]).Except(Texts(after["enum"])))
        {
            yield return $"{path}: the value {value} was removed";
        }
        foreach (var name in Texts(after["required"]).Except(Texts(before["required"])))
        {
            yield return $"{path}: {name} is required, which it was not";
        }
        foreach (var name in Texts(before["required"]).Except(Texts(after["required"])))
        {
            yield return $"{path}: {name} may be missing, which it never was";
        }
        foreach (var (name, property) in before["properties"]?.AsObject() ?? [])
        {
            var breaks = after["properties"]?[name] is { } kept ? Breaks($"{path}.{name}", property!, kept) : [$"{path}.{name}: was removed"];
            foreach (var found in breaks)
            {
                yield return found;
            }
        }
        if (before["items"] is { } items)
        {
            foreach (var found in after["items"] is { } kept ? Breaks($"{path}[]", items, kept) : [$"{path}[]: was removed"])
            {
                yield return found;
            }
        }
    }

    private static IEnumerable<string> Texts(JsonNode? array) => array?.AsArray().Select(value => value?.ToJsonString() ?? "null") ?? [];
}
