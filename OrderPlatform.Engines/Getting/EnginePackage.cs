namespace OrderPlatform.Engines.Getting;

/// <summary>Something that is fetched once from a public package and kept in the cache, pinned by version and checksum.</summary>
/// <param name="Id">Its word in the cache: the folder is <c>id-version</c>.</param>
/// <param name="Title">Its name for people.</param>
/// <param name="Version">The version of what is in the package.</param>
/// <param name="PackedBytes">The size of the package's file, for the progress bar and the sum that is named up front.</param>
/// <param name="Sha512">The checksum of the package's file, base64, as npm and NuGet write it.</param>
public sealed record EnginePackage(string Id, string Title, string Version, IPackageSource Source, long PackedBytes, string Sha512)
{
    /// <summary>Gives the place of a file of the package below the cache folder, or null when the file is not needed.</summary>
    public Func<string, string?> Place { get; init; } = path => path;

    /// <summary>The last step on the unpacked folder (links, a build), which may get what it needs from the cache; gives the folder that appears in the cache.</summary>
    public Func<string, EngineCache, CancellationToken, Task<string>> FinishAsync { get; init; } = (folder, _, _) => Task.FromResult(folder);
}

/// <summary>Where packages come from: a package manager that the user has set up (registry, proxy, certificates, sign-in).</summary>
public interface IPackageSource
{
    /// <summary>What this machine lacks to fetch from here, each a sentence that names the mend.</summary>
    IEnumerable<string> Missing();

    /// <summary>Fetches the package's file into the folder.</summary>
    /// <returns>The path of the file, unchecked.</returns>
    /// <exception cref="EngineException">The package manager failed; the message holds its last words.</exception>
    Task<string> FetchAsync(string folder, CancellationToken cancellation);
}
