using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Getting;

/// <summary>A package of the npm registry, fetched by <c>npm pack</c>.</summary>
/// <param name="spec">name@version, or anything else that npm takes.</param>
public sealed class NpmSource(string spec) : IPackageSource
{
    /// <inheritdoc />
    public IEnumerable<string> Missing()
    {
        if (Tool.Find("npm") is null)
        {
            yield return "npm is needed once to get the engines: install Node.js (https://nodejs.org, or your system's package nodejs and npm).";
        }
    }

    /// <inheritdoc />
    public async Task<string> FetchAsync(string folder, CancellationToken cancellation)
    {
        // a cache of its own inside the folder: its growth is the progress, and nothing of an interrupted download stays behind
        var packed = Directory.CreateDirectory(Path.Combine(folder, "packed")).FullName;
        string[] arguments = ["pack", spec, "--cache", Path.Combine(folder, "npm"), "--pack-destination", packed, "--ignore-scripts", "--loglevel", "error"];
        await Tool.RunAsync("npm", new ChildCommand("npm", arguments), _ => { }, cancellation);
        return Directory.GetFiles(packed, "*.tgz").Single();
    }
}
