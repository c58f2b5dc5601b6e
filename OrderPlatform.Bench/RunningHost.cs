using System.Diagnostics;
using System.Text.Json;

namespace OrderPlatform.Bench;

/// <summary>A platform to work against: a running standalone host, found by its run.json, or one named on the command line.</summary>
/// <param name="Api">URL of its Api.</param>
/// <param name="ApiKey">A key with every scope.</param>
/// <param name="RunFile">Its whole run.json; null when only the Api is known.</param>
/// <param name="Path">Where that file is: it tells of restarted processes.</param>
public sealed record RunningHost(Uri Api, string ApiKey, JsonElement? RunFile, string? Path = null)
{
    private const string RunFilePath = ".orderplatform/run.json";

    /// <summary>Npgsql connection string of its orders database; null when only the Api is known.</summary>
    public string? Postgres => RunFile?.GetProperty("postgres").GetString();

    /// <summary>Kafka's bootstrap server.</summary>
    /// <exception cref="BenchException">Only the Api is known.</exception>
    public string Kafka => FromFile("kafka");

    /// <summary>Redis, host:port.</summary>
    /// <exception cref="BenchException">Only the Api is known.</exception>
    public string Redis => FromFile("redis");

    /// <summary>ClickHouse's HTTP interface.</summary>
    /// <exception cref="BenchException">Only the Api is known.</exception>
    public Uri ClickHouse => new(FromFile("clickhouse"));

    /// <summary>The projections' own address.</summary>
    /// <exception cref="BenchException">Only the Api is known.</exception>
    public Uri Projections => new(FromFile("projections"));

    /// <summary>The host that the command line names, else the running one of this repository.</summary>
    /// <exception cref="BenchException">There is none; the message names the mend.</exception>
    public static RunningHost Find(string? api, string? apiKey)
    {
        var found = FromRunFile();
        var url = api is null ? found?.Api : Uri.TryCreate(api, UriKind.Absolute, out var given) ? given : throw new BenchException($"--api takes a URL, not '{api}'.");
        return url is not null && (apiKey ?? found?.ApiKey) is { } key
            ? new RunningHost(url, key, api is null ? found?.RunFile : null, api is null ? found?.Path : null)
            : throw new BenchException("No platform is running here. Start one with `dotnet run --project OrderPlatform.AppHost`, or name one with --api URL --api-key KEY.");
    }

    /// <summary>The standalone host that wrote a run.json.</summary>
    /// <exception cref="BenchException">There is no such file.</exception>
    public static RunningHost At(string path)
    {
        if (!File.Exists(path))
        {
            throw new BenchException($"There is no {path}: a standalone host writes it when it is up.");
        }
        var run = JsonElement.Parse(File.ReadAllText(path));
        return new RunningHost(new Uri(run.GetProperty("api").GetString()!), run.GetProperty("apiKey").GetString()!, run, path);
    }

    /// <summary>A client of its Api, the key in every request.</summary>
    public HttpClient Client(int connections)
    {
        var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false }) { BaseAddress = Api, Timeout = TimeSpan.FromSeconds(30) };
        client.DefaultRequestHeaders.Add("X-Api-Key", ApiKey);
        return client;
    }

    /// <summary>Resident memory of its processes, in MB.</summary>
    public IReadOnlyDictionary<string, int> Memory()
    {
        var memory = new Dictionary<string, int>();
        foreach (var process in RunFile?.GetProperty("processes").EnumerateObject() ?? default)
        {
            using var running = Process.GetProcessById(process.Value.GetInt32());
            memory[process.Name] = (int)(running.WorkingSet64 / 1_000_000);
        }
        return memory;
    }

    /// <summary>Sends a signal, by its name, to some of its processes.</summary>
    public void Signal(string signal, params IReadOnlyList<string> processes)
    {
        foreach (var process in processes)
        {
            var pid = (RunFile ?? throw new BenchException("This needs a standalone host of this repository.")).GetProperty("processes").GetProperty(process).GetInt32();
            using var kill = Process.Start("sh", ["-c", $"kill -s {signal} {pid}"]);
            kill.WaitForExit();
        }
    }

    private string FromFile(string name) =>
        RunFile?.GetProperty(name).GetString() ?? throw new BenchException("This needs a standalone host of this repository: start one with `dotnet run --project OrderPlatform.AppHost`.");

    private static RunningHost? FromRunFile()
    {
        for (var folder = new DirectoryInfo(Directory.GetCurrentDirectory()); folder is not null; folder = folder.Parent)
        {
            if (System.IO.Path.Combine(folder.FullName, RunFilePath) is var file && File.Exists(file))
            {
                return At(file);
            }
        }
        return null;
    }
}

/// <summary>A scenario cannot be run. The message is for the person at the keyboard and names the mend.</summary>
/// <param name="message">One sentence.</param>
public sealed class BenchException(string message) : Exception(message);
