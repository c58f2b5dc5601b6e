using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Getting;

/// <summary>A package of the NuGet feeds, taken from the user's NuGet folder or fetched by <c>dotnet package download</c>.</summary>
public sealed class NuGetSource(string id, string version) : IPackageSource
{
    private string FileName => $"{id}.{version}.nupkg";

    /// <inheritdoc />
    public IEnumerable<string> Missing() => [];

    /// <inheritdoc />
    public async Task<string> FetchAsync(string folder, CancellationToken cancellation)
    {
        var inUsersFolder = Path.Combine(UsersFolder(), id, version, FileName);
        if (File.Exists(inUsersFolder))
        {
            return inUsersFolder;
        }
        var command = ChildCommand.DotNet("package", ["download", $"{id}@{version}", "--output", folder]) with
        {
            Environment = new Dictionary<string, string> { ["NUGET_HTTP_CACHE_PATH"] = Path.Combine(folder, "http") },
        };
        await Tool.RunAsync("dotnet package download", command, _ => { }, cancellation);
        return Path.Combine(folder, id, version, FileName);
    }

    private static string UsersFolder() =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
}
