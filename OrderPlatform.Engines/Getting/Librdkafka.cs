using System.Runtime.InteropServices;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Getting;

/// <summary>librdkafka, the native library under Confluent.Kafka: the system's when it is new enough, else built once from source.</summary>
/// <remarks>
/// The built one has lz4 and snappy, whose source it brings along, and neither TLS nor gzip nor zstd: those would come and go
/// with the headers that happen to be installed. The platform itself compresses with lz4 and talks to loopback only.
/// </remarks>
public static class Librdkafka
{
    /// <summary>Confluent.Kafka 2.15 calls functions that older libraries do not have (as 0xMMmmrrpp).</summary>
    private const int OldestVersion = 0x020f0000;

    private static readonly string FileName = OperatingSystem.IsMacOS() ? "librdkafka.1.dylib" : "librdkafka.so.1";
    private static readonly string[] SystemPlaces = OperatingSystem.IsMacOS() ? [FileName, $"/opt/homebrew/lib/{FileName}", $"/usr/local/lib/{FileName}"] : [FileName];
    private static readonly Lazy<string?> SystemLibrary = new(() => Array.Find(SystemPlaces, IsNewEnough));

    private static readonly EnginePackage Built = new("librdkafka", "librdkafka", "2.15.1", new BuildSource(), 2_771_395,
        "KVePUBn21EqCVP9mfxzEuM3SYJHHEF7X+iiC2e43QQgDSyEaksInmCGooT3w5q+cNAdkSCrK71j0ICfqoSqZLw==")
    {
        Place = path => path.StartsWith(SourceFolder, StringComparison.Ordinal) && !path.StartsWith(SourceFolder + "tests/", StringComparison.Ordinal) ? path[SourceFolder.Length..] : null,
        FinishAsync = BuildAsync,
    };

    private const string SourceFolder = "package/deps/librdkafka/";

    /// <summary>The package to get, or null when the system's library is new enough.</summary>
    public static EnginePackage? Package => SystemLibrary.Value is null ? Built : null;

    /// <summary>Gives what to load (<c>NativeLibrary.Load</c>): the full path of the library, or the name of the system's.</summary>
    /// <exception cref="EngineException">It could not be had or built; the message names the mend.</exception>
    public static async Task<string> GetAsync(EngineCache cache, CancellationToken cancellation) =>
        SystemLibrary.Value ?? Path.Combine(await cache.GetAsync(Built, cancellation), FileName);

    private static unsafe bool IsNewEnough(string place)
    {
        if (!NativeLibrary.TryLoad(place, out var library))
        {
            return false;
        }
        try
        {
            return NativeLibrary.TryGetExport(library, "rd_kafka_version", out var version) && ((delegate* unmanaged<int>)version)() >= OldestVersion;
        }
        finally
        {
            NativeLibrary.Free(library);
        }
    }

    private static readonly string[] CCompilers = ["cc", "gcc", "clang"];
    private static readonly string[] Tools = ["make", "bash"];

    private static string? CCompiler => CCompilers.FirstOrDefault(name => Tool.Find(name) is not null);

    private static async Task<string> BuildAsync(string folder, EngineCache cache, CancellationToken cancellation)
    {
        var progress = cache.Progress;
        const string Title = "Building librdkafka 2.15.1";
        var log = Path.Combine(Path.GetTempPath(), $"librdkafka-build-{Environment.ProcessId}.log");
        var files = Directory.GetFiles(Path.Combine(folder, "src"), "*.c", SearchOption.AllDirectories).Length;
        var compiled = 0;
        await using (var writer = new StreamWriter(log))
        {
            void Note(string line)
            {
                writer.WriteLine(line);
                if (line.Contains(" -c ", StringComparison.Ordinal))
                {
                    compiled++;
                    progress.Show(Title, (double)compiled / files, $"{compiled,2} files");
                }
            }

            try
            {
                progress.Show(Title, 0, "configuring");
                await Tool.RunAsync("librdkafka's configure", new ChildCommand("./configure",
                    ["--disable-gssapi", "--disable-curl", "--disable-lz4-ext", "--disable-ssl", "--disable-zlib", "--disable-zstd", "--disable-debug-symbols"])
                {
                    WorkingDirectory = folder,
                    // configure asks for a C++ compiler too, for a part that is not built here: the C compiler answers for it
                    Environment = new Dictionary<string, string> { ["CC"] = CCompiler!, ["CXX"] = CCompiler! },
                }, Note, cancellation);
                await Tool.RunAsync("make", new ChildCommand("make", [$"-j{Environment.ProcessorCount}", "-C", "src", FileName]) { WorkingDirectory = folder }, Note, cancellation);
            }
            catch (EngineException e)
            {
                throw new EngineException($"librdkafka could not be built; the whole output is in {log}. {e.Message}", e);
            }
        }
        File.Delete(log);
        progress.Done(Title, "done");

        var kept = Directory.CreateDirectory(Path.Combine(folder, "kept")).FullName;
        File.Move(Path.Combine(folder, "src", FileName), Path.Combine(kept, FileName));
        File.Move(Path.Combine(folder, "LICENSES.txt"), Path.Combine(kept, "LICENSES.txt"));
        return kept;
    }

    /// <summary>npm, and what building takes.</summary>
    private sealed class BuildSource : IPackageSource
    {
        private readonly NpmSource _npm = new("@confluentinc/kafka-javascript@1.10.1");

        public IEnumerable<string> Missing()
        {
            string[] lacking = [.. CCompiler is null ? CCompilers[..1] : [], .. Tools.Where(name => Tool.Find(name) is null)];
            return lacking is []
                ? _npm.Missing()
                : [.. _npm.Missing(), $"A C compiler is needed once to build librdkafka ({string.Join(", ", lacking)} not found): install it (Debian: apt install build-essential; macOS: xcode-select --install)."];
        }

        public Task<string> FetchAsync(string folder, CancellationToken cancellation) => _npm.FetchAsync(folder, cancellation);
    }
}
