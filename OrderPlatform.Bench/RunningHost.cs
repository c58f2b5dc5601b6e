using System.Text.Json;

namespace OrderPlatform.Bench;

/// <summary>A platform to work against: a running standalone host, found by its run.json, or one named on the command line.</summary>
/// <param name="Api">URL of its Api.</param>
/// <param name="ApiKey">A key with every scope.</param>
/// <param name="Postgres">Npgsql connection string of its orders database; null when only the Api is known.</param>
public sealed record RunningHost(Uri Api, string ApiKey, string? Postgres)
{
    private const string RunFile = ".orderplatform/run.json";

    /// <summary>The host that the command line names, else the running one of this repository.</summary>
    /// <exception cref="BenchException">There is none; the message names the mend.</exception>
    public static RunningHost Find(string? api, string? apiKey)
    {
        var found = FromRunFile();
        var url = api is null ? found?.Api : Uri.TryCreate(api, UriKind.Absolute, out var given) ? given : throw new BenchException($"--api takes a URL, not '{api}'.");
        return url is not null && (apiKey ?? found?.ApiKey) is { } key
            ? new RunningHost(url, key, api is null ? found?.Postgres : null)
            : throw new BenchException("No platform is running here. Start one with `dotnet run --project OrderPlatform.AppHost`, or name one with --api URL --api-key KEY.");
    }

    /// <summary>A client of its Api, the key in every request.</summary>
    public HttpClient Client(int connections)
    {
        var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false }) { BaseAddress = Api, Timeout = TimeSpan.FromSeconds(30) };
        client.DefaultRequestHeaders.Add("X-Api-Key", ApiKey);
        return client;
    }

    private static RunningHost? FromRunFile()
    {
        for (var folder = new DirectoryInfo(Directory.GetCurrentDirectory()); folder is not null; folder = folder.Parent)
        {
            if (Path.Combine(folder.FullName, RunFile) is var file && File.Exists(file))
            {
                var run = JsonElement.Parse(File.ReadAllText(file));
                return new RunningHost(new Uri(run.GetProperty("api").GetString()!), run.GetProperty("apiKey").GetString()!, run.GetProperty("postgres").GetString());
            }
        }
        return null;
    }
}

/// <summary>A scenario cannot be run. The message is for the person at the keyboard and names the mend.</summary>
/// <param name="message">One sentence.</param>
public sealed class BenchException(string message) : Exception(message);
