using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Faults;
using OrderPlatform.Engines.Processes;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Chaos;

/// <summary>The standalone host as the faults see it: its processes, its network, and its stores past that network.</summary>
/// <param name="host">The host, known by its run.json.</param>
/// <param name="librdkafka">Path of the native Kafka client, for a relay of the runner's own.</param>
internal sealed class ChaosHost(RunningHost host, string librdkafka) : IDisposable
{
    private static readonly TimeSpan FlushBound = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan BackBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Where it is.</summary>
    public RunningHost Running => host;

    /// <summary>Whether it was started with --fault-port.</summary>
    public bool HasFaultyNetwork => Faults is not null;

    private string? Faults => host.RunFile!.Value.TryGetProperty("faults", out var url) ? url.GetString() : null;

    /// <summary>Sends a signal to a process, once it is there: it may be on its way back from the last fault.</summary>
    /// <returns>Its pid.</returns>
    /// <exception cref="BenchException">It is not there within 60 s.</exception>
    public async Task<int> SignalAsync(string signal, string process, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < BackBound)
        {
            if (PidOf(process) is { } pid && Signal(signal, pid))
            {
                return pid;
            }
            await Task.Delay(Poll, cancellation);
        }
        throw new BenchException($"{process} is not running and was not started again within {BackBound.TotalSeconds:0} s.");
    }

    /// <summary>Sends a signal to a process.</summary>
    /// <returns>False when there is none of that number.</returns>
    public static bool Signal(string signal, int pid)
    {
        using var kill = Process.Start(new ProcessStartInfo("sh", ["-c", $"kill -s {signal} {pid} 2>&1"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        kill.WaitForExit();
        return kill.ExitCode == 0;
    }

    /// <summary>Returns once a process has ended.</summary>
    /// <exception cref="BenchException">It has not after 60 s.</exception>
    public static async Task UntilGoneAsync(int pid, CancellationToken cancellation)
    {
        for (var since = Stopwatch.GetTimestamp(); Signal("0", pid);)
        {
            if (Stopwatch.GetElapsedTime(since) > BackBound)
            {
                throw new BenchException($"Process {pid} was told to end and has not within {BackBound.TotalSeconds:0} s.");
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    /// <summary>Tells the network before an engine what is wrong with it from now on.</summary>
    public async Task NetworkAsync(string engine, NetworkFault fault, CancellationToken cancellation)
    {
        using var response = await _http.PutAsJsonAsync(new Uri($"{Faults}/{engine}"), fault, cancellation);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Cuts every connection to an engine.</summary>
    public async Task CutAsync(string engine, CancellationToken cancellation)
    {
        using var response = await _http.DeleteAsync(new Uri($"{Faults}/{engine}/connections"), cancellation);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Runs a statement in ClickHouse's database analytics.</summary>
    public async Task ClickHouseAsync(string sql, CancellationToken cancellation) =>
        await new ClickHouseClient(_http, new ClickHouseConnection(host.ClickHouse, "default", "", "analytics")).QueryAsync(sql, parameters: null, cancellation);

    /// <summary>FLUSHALL.</summary>
    public async Task FlushRedisAsync()
    {
        using var redis = await ConnectionMultiplexer.ConnectAsync(host.Redis);
        try
        {
            await redis.GetDatabase().ExecuteAsync("FLUSHALL").WaitAsync(FlushBound);
        }
        catch (TimeoutException)
        {
            // Garnet has emptied itself, and now and then keeps the answer for ever: its log, which the answer waits for, is empty too
        }
    }

    /// <summary>Starts a relay beside the host's own, with the same stores, and waits until it is healthy.</summary>
    /// <exception cref="BenchException">It is not built, or not healthy within 60 s.</exception>
    public async Task<ChildProcess> StartRelayAsync(CancellationToken cancellation)
    {
        // artifacts/bin/<project>/<configuration>/, as the host finds its services
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var folder = Path.Combine(own.Parent!.Parent!.FullName, "OrderPlatform.Relay", own.Name);
        var url = $"http://127.0.0.1:{LoopbackPort.Free()}";
        var relay = ChildProcess.Start("relay-2", ChildCommand.DotNet(Path.Combine(folder, "OrderPlatform.Relay.dll"), "--urls", url) with
        {
            WorkingDirectory = folder,
            Environment = new Dictionary<string, string>
            {
                ["ConnectionStrings__orders"] = host.Postgres!,
                ["ConnectionStrings__kafka"] = host.Kafka,
                ["ORDERPLATFORM_LIBRDKAFKA"] = librdkafka,
            },
        }, _ => { });
        var since = Stopwatch.GetTimestamp();
        while (!await IsHealthyAsync(new Uri(url + "/health"), cancellation))
        {
            if (relay.Exited.IsCompleted || Stopwatch.GetElapsedTime(since) > BackBound)
            {
                await relay.DisposeAsync();
                throw new BenchException($"The second relay did not start: is {folder} built?");
            }
            await Task.Delay(Poll, cancellation);
        }
        return relay;
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private async Task<bool> IsHealthyAsync(Uri health, CancellationToken cancellation)
    {
        try
        {
            using var response = await _http.GetAsync(health, cancellation);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private int? PidOf(string process)
    {
        try
        {
            return JsonElement.Parse(File.ReadAllText(host.Path!)).GetProperty("processes").GetProperty(process).GetInt32();
        }
        catch (IOException)
        {
            return null; // it is being replaced
        }
    }
}
