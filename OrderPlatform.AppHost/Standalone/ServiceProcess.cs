using System.Diagnostics;
using System.Net;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.AppHost.Standalone;

/// <summary>Starts this build's own services as child processes.</summary>
internal sealed class ServiceProcess(HostConsole console, IReadOnlyDictionary<string, string> environment) : IDisposable
{
    private static readonly TimeSpan HealthyBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan HealthPoll = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Starts a web service and waits until its <c>/health</c> is well.</summary>
    /// <exception cref="EngineException">It ended, or was not healthy within 60 s.</exception>
    public async Task<ChildProcess> StartWebAsync(string name, string project, Uri url, CancellationToken cancellation)
    {
        var process = Start(name, project, "--urls", url.GetLeftPart(UriPartial.Authority));
        try
        {
            await UntilHealthyAsync(process, new Uri(url, "/health"), cancellation);
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a step to its end.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    public async Task RunToEndAsync(string name, string project, CancellationToken cancellation)
    {
        await using var process = Start(name, project);
        var exitCode = await process.Exited.WaitAsync(cancellation);
        if (exitCode != 0)
        {
            throw new EngineException($"{name} ended with exit code {exitCode}; its lines above say why.");
        }
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private ChildProcess Start(string name, string project, params IReadOnlyList<string> arguments)
    {
        // artifacts/bin/<project>/<configuration>/: the services are built beside this host, in the same configuration
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var folder = Path.Combine(own.Parent!.Parent!.FullName, project, own.Name);
        return ChildProcess.Start(
            name,
            ChildCommand.DotNet(Path.Combine(folder, project + ".dll"), arguments) with
            {
                WorkingDirectory = folder,
                // one process has the name at a time: the next takes its place among Kafka's consumers at once
                Environment = new Dictionary<string, string>(environment) { ["Kafka__Instance"] = name },
            },
            line => console.Log(name, line));
    }

    private async Task UntilHealthyAsync(ChildProcess process, Uri health, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        var last = "it does not answer";
        while (true)
        {
            try
            {
                using var response = await _http.GetAsync(health, cancellation);
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
                last = await response.Content.ReadAsStringAsync(cancellation);
            }
            catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancellation.IsCancellationRequested))
            {
                last = e.Message;
            }
            if (process.Exited.IsCompleted)
            {
                throw new EngineException($"{process.Name} ended with exit code {await process.Exited} before it was healthy; its lines above say why.");
            }
            if (Stopwatch.GetElapsedTime(since) > HealthyBound)
            {
                throw new EngineException($"{process.Name} was not healthy within {HealthyBound.TotalSeconds:0} s: {last}");
            }
            await Task.Delay(HealthPoll, cancellation);
        }
    }
}
