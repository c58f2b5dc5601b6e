using System.Formats.Tar;
using System.IO.Compression;

namespace OrderPlatform.Engines.Getting;

/// <summary>Unpacks npm's .tgz and NuGet's .nupkg files.</summary>
internal static class Archive
{
    private const UnixFileMode Data = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Program = Data | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Unpacks the files that <paramref name="place"/> gives a place, readable by every user whatever the umask.</summary>
    /// <exception cref="EngineException">A path of the archive leads outside the folder, or the archive is broken.</exception>
    public static async Task UnpackAsync(string archive, string folder, Func<string, string?> place, CancellationToken cancellation)
    {
        try
        {
            await (archive.EndsWith(".nupkg", StringComparison.Ordinal)
                ? UnpackZipAsync(archive, folder, place, cancellation)
                : UnpackTarAsync(archive, folder, place, cancellation));
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new EngineException($"{Path.GetFileName(archive)} is broken ({e.Message}): start again to fetch it anew.", e);
        }
    }

    private static async Task UnpackTarAsync(string archive, string folder, Func<string, string?> place, CancellationToken cancellation)
    {
        await using var packed = new GZipStream(File.OpenRead(archive), CompressionMode.Decompress);
        await using var tar = new TarReader(packed);
        while (await tar.GetNextEntryAsync(copyData: false, cancellation) is { } entry)
        {
            // npm packs regular files only: a link would be a way out of the folder
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile && entry.DataStream is { } content)
            {
                var mode = entry.Mode.HasFlag(UnixFileMode.UserExecute) ? Program : Data;
                await WriteAsync(entry.Name, content, mode, folder, place, cancellation);
            }
        }
    }

    private static async Task UnpackZipAsync(string archive, string folder, Func<string, string?> place, CancellationToken cancellation)
    {
        await using var zip = await ZipFile.OpenReadAsync(archive, cancellation);
        foreach (var entry in zip.Entries.Where(entry => !entry.FullName.EndsWith('/')))
        {
            await using var content = await entry.OpenAsync(cancellation);
            await WriteAsync(entry.FullName, content, Data, folder, place, cancellation);
        }
    }

    private static async Task WriteAsync(string name, Stream content, UnixFileMode mode, string folder, Func<string, string?> place, CancellationToken cancellation)
    {
        if (name.StartsWith('/') || name.Split('/', '\\').Contains(".."))
        {
            throw new EngineException($"The package holds the path {name}, which leads outside its folder: it is refused, get it from another registry.");
        }
        if (place(name) is not { } relative)
        {
            return;
        }
        var path = Path.Combine(folder, relative);
        CreateOpenDirectory(Path.GetDirectoryName(path)!);
        await using (var file = File.Create(path))
        {
            await content.CopyToAsync(file, cancellation);
        }
        File.SetUnixFileMode(path, mode);
    }

    /// <summary>Makes a folder that every user may enter, whatever the umask: PostgreSQL runs as another user when the host is root.</summary>
    public static void CreateOpenDirectory(string path)
    {
        if (Directory.Exists(path))
        {
            return;
        }
        CreateOpenDirectory(Path.GetDirectoryName(path)!);
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, Program);
    }
}
