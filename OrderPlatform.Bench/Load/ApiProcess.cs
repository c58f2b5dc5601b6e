using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Bench.Load;

/// <summary>An Api of this build that serves HTTP only, as a process of its own.</summary>
public sealed class ApiProcess : IAsyncDisposable
{
    private static readonly TimeSpan UpBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly ChildProcess _process;

    private ApiProcess(ChildProcess process, Uri address) => (_process, Address) = (process, address);

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Its pid.</summary>
    public int Id => _process.Id;

    /// <summary>Starts it and waits until it answers.</summary>
    /// <param name="settings">Its environment: connection strings and what differs from the defaults.</param>
    /// <exception cref="BenchException">It ended, or did not answer within a minute.</exception>
    public static async Task<ApiProcess> StartAsync(IReadOnlyDictionary<string, string> settings, Action<string> log, CancellationToken cancellation)
    {
        // artifacts/bin/<project>/<configuration>/
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var folder = Path.Combine(own.Parent!.Parent!.FullName, "OrderPlatform.Api", own.Name);
        var address = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        var environment = new Dictionary<string, string>(settings) { ["Api__Participants"] = "false" };
        var process = ChildProcess.Start(
            "api", ChildCommand.DotNet(Path.Combine(folder, "OrderPlatform.Api.dll"), "--urls", address.GetLeftPart(UriPartial.Authority)) with { WorkingDirectory = folder, Environment = environment }, log);
        try
        {
            await UntilAliveAsync(process, address, cancellation);
            return new ApiProcess(process, address);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static async Task UntilAliveAsync(ChildProcess process, Uri address, CancellationToken cancellation)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = address };
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(UpBound);
        while (!await IsAliveAsync(http, bound.Token))
        {
            if (process.Exited.IsCompleted || bound.IsCancellationRequested)
            {
                cancellation.ThrowIfCancellationRequested();
                throw new BenchException("The Api did not start; its lines say why.");
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<bool> IsAliveAsync(HttpClient http, CancellationToken cancellation)
    {
        try
        {
            using var response = await http.GetAsync(new Uri("/alive", UriKind.Relative), cancellation);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }
}
