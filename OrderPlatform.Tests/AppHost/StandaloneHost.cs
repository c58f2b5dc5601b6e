using System.Diagnostics;
using System.Text.Json.Nodes;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.AppHost;

/// <summary>The standalone host as a user starts it: a process of its own, found by its run.json.</summary>
internal sealed class StandaloneHost : IAsyncDisposable
{
    private static readonly TimeSpan UpBound = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly ChildProcess _process;
    private readonly List<string> _lines;

    private StandaloneHost(ChildProcess process, List<string> lines, string dataFolder)
    {
        _process = process;
        _lines = lines;
        DataFolder = dataFolder;
    }

    public string DataFolder { get; }

    public int Id => _process.Id;

    public Task<int> Exited => _process.Exited;

    public string Output
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    public string RunFile => Path.Combine(DataFolder, "run.json");

    public static StandaloneHost Start(string dataFolder, params string[] arguments) => Start(dataFolder, new Dictionary<string, string>(), arguments);

    /// <summary>A host whose orders stay as they are placed: nothing is reserved, paid or shipped.</summary>
    public static StandaloneHost StartWithoutSaga(string dataFolder, params string[] arguments) => Start(dataFolder, new Dictionary<string, string> { ["Api__Participants"] = "false" }, arguments);

    /// <summary>With variables that the services inherit.</summary>
    public static StandaloneHost Start(string dataFolder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var lines = new List<string>();
        var process = ChildProcess.Start("apphost", ChildCommand.DotNet(AssemblyPath, ["--data", dataFolder, .. arguments]) with { Environment = environment }, line =>
        {
            lock (lines)
            {
                lines.Add(line);
            }
        });
        return new StandaloneHost(process, lines, dataFolder);
    }

    /// <summary>The content of run.json, once the host has written it.</summary>
    public async Task<JsonObject> UpAsync(CancellationToken cancellation)
    {
        await EventuallyAsync(() => File.Exists(RunFile), UpBound, "run.json", cancellation);
        return (JsonObject)JsonNode.Parse(await File.ReadAllTextAsync(RunFile, cancellation))!;
    }

    /// <summary>Waits for a condition, and fails with the host's output when it does not come true within the bound.</summary>
    public async Task EventuallyAsync(Func<bool> condition, TimeSpan bound, string what, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!condition())
        {
            var elapsed = Stopwatch.GetElapsedTime(since);
            (elapsed < bound && !Exited.IsCompleted).ShouldBeTrue($"{what} was not seen within {elapsed.TotalSeconds:0.0} s. The host said:\n{Output}");
            await Task.Delay(Poll, cancellation);
        }
    }

    public async ValueTask DisposeAsync() => await _process.DisposeAsync();

    // artifacts/bin/OrderPlatform.AppHost/<configuration>/
    private static string AssemblyPath
    {
        get
        {
            var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(own.Parent!.Parent!.FullName, "OrderPlatform.AppHost", own.Name, "OrderPlatform.AppHost.dll");
        }
    }
}
