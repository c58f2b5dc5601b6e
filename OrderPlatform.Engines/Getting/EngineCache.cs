using System.Security.Cryptography;

namespace OrderPlatform.Engines.Getting;

/// <summary>
/// What has been fetched, kept for good: a folder for each package, which appears by one rename when it is complete, so that
/// an interruption at any moment leaves no half engine.
/// </summary>
public sealed class EngineCache(string root, GettingProgress progress)
{
    /// <summary>Moves the cache.</summary>
    public const string RootVariable = "ORDERPLATFORM_CACHE";

    private static readonly TimeSpan ProgressPoll = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PartialKept = TimeSpan.FromDays(1);

    /// <summary>The user's cache, told of on the terminal.</summary>
    public static EngineCache User { get; } = new(UserRoot(), GettingProgress.Console);

    /// <summary>Where its folders are.</summary>
    public string Root => root;

    /// <summary>Where it tells what takes time.</summary>
    internal GettingProgress Progress => progress;

    /// <summary>The package's folder, there or not.</summary>
    public string PathOf(EnginePackage package) => Path.Combine(root, $"{package.Id}-{package.Version}");

    /// <summary>Whether the package is there.</summary>
    public bool Has(EnginePackage package) => Directory.Exists(PathOf(package));

    /// <summary>What this machine lacks to get the package, each a sentence that names the mend; nothing when it is there already.</summary>
    public IEnumerable<string> Missing(EnginePackage package) => Has(package) ? [] : package.Source.Missing();

    /// <summary>Gets the package when it is not there yet; a second process that wants it waits for the first.</summary>
    /// <returns>The package's folder.</returns>
    /// <exception cref="EngineException">It could not be had; the message names the mend, and nothing is left behind.</exception>
    public async Task<string> GetAsync(EnginePackage package, CancellationToken cancellation)
    {
        if (!Has(package))
        {
            try
            {
                Archive.CreateOpenDirectory(root);
                await using var turn = await LockAsync(package, cancellation);
                if (!Has(package))
                {
                    await FetchAsync(package, cancellation);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new EngineException($"{package.Title} could not be put into {root} ({e.Message}): make room or the right there, or set {RootVariable} to another folder.", e);
            }
        }
        return PathOf(package);
    }

    private async Task FetchAsync(EnginePackage package, CancellationToken cancellation)
    {
        DeleteOldPartials();
        var partial = Directory.CreateDirectory(Path.Combine(root, $".partial-{Guid.NewGuid():N}")).FullName;
        try
        {
            var title = $"Getting {package.Title} {package.Version}";
            var archive = await WithProgressAsync(title, package, partial, cancellation);
            progress.Show(title, 1, "unpacking");
            await CheckAsync(package, archive, cancellation);

            var unpacked = Path.Combine(partial, "unpacked");
            Archive.CreateOpenDirectory(unpacked);
            await Archive.UnpackAsync(archive, unpacked, package.Place, cancellation);
            Directory.Move(await package.FinishAsync(unpacked, this, cancellation), PathOf(package));
            progress.Done(title, $"done, in {PathOf(package)}");
        }
        finally
        {
            Directory.Delete(partial, recursive: true);
        }
    }

    private async Task<string> WithProgressAsync(string title, EnginePackage package, string folder, CancellationToken cancellation)
    {
        var fetching = package.Source.FetchAsync(folder, cancellation);
        while (await Task.WhenAny(fetching, Task.Delay(ProgressPoll, CancellationToken.None)) != fetching)
        {
            progress.Bytes(title, Math.Min(SizeOf(folder), package.PackedBytes), package.PackedBytes);
        }
        return await fetching;
    }

    private static async Task CheckAsync(EnginePackage package, string archive, CancellationToken cancellation)
    {
        await using var content = File.OpenRead(archive);
        var sha512 = Convert.ToBase64String(await SHA512.HashDataAsync(content, cancellation));
        if (sha512 != package.Sha512)
        {
            throw new EngineException($"{package.Title} {package.Version} came with the checksum sha512-{sha512} instead of sha512-{package.Sha512}: it is refused, look into the registry that npm or NuGet is set to.");
        }
    }

    // the lock goes with the process that holds it, so a kill -9 leaves none behind
    private async Task<FileStream> LockAsync(EnginePackage package, CancellationToken cancellation)
    {
        var path = Path.Combine(root, $".{package.Id}-{package.Version}.lock");
        var said = false;
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!said)
                {
                    progress.Say($"Waiting for another process that is getting {package.Title} {package.Version}.");
                    said = true;
                }
                await Task.Delay(LockPoll, cancellation);
            }
        }
    }

    private void DeleteOldPartials()
    {
        foreach (var old in new DirectoryInfo(root).GetDirectories(".partial-*").Where(folder => TimeProvider.System.GetUtcNow().UtcDateTime - folder.LastWriteTimeUtc > PartialKept))
        {
            old.Delete(recursive: true);
        }
    }

    private static long SizeOf(string folder)
    {
        try
        {
            return new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        }
        catch (IOException)
        {
            return 0; // the package manager has just moved a file: the next look will see it
        }
    }

    private static string UserRoot()
    {
        if (Environment.GetEnvironmentVariable(RootVariable) is { Length: > 0 } chosen)
        {
            return Path.GetFullPath(chosen);
        }
        if (OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess)
        {
            return "/var/cache/orderplatform"; // PostgreSQL runs as another user, who cannot enter root's home
        }
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        if (OperatingSystem.IsMacOS())
        {
            return Path.Combine(home, "Library", "Caches", "orderplatform");
        }
        var caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg : Path.Combine(home, ".cache");
        return Path.Combine(caches, "orderplatform");
    }
}
