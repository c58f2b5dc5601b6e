using System.Diagnostics;
using System.Net.Sockets;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.AppHost.Standalone;

/// <summary>A process that is kept running: when it ends by itself it is started again, after a pause that doubles with each failure.</summary>
/// <param name="name">Its name in messages.</param>
/// <param name="start">Starts it and waits until it is healthy.</param>
/// <param name="console">Where restarts are said.</param>
internal sealed class Supervised(string name, Func<CancellationToken, Task<ChildProcess>> start, HostConsole console) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    /// <summary>A process that has run this long is taken to be well: the next pause is the first one again.</summary>
    private static readonly TimeSpan Well = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private Task _keeping = Task.CompletedTask;

    /// <summary>Called after a restart: the pid has changed.</summary>
    public Action Restarted { get; set; } = () => { };

    /// <summary>Its name in messages.</summary>
    public string Name => name;

    /// <summary>The pid of the process: of the last one, while the next is not yet healthy.</summary>
    public int ProcessId { get; private set; }

    /// <summary>The first start: a failure is thrown, not retried. From then on the process is kept running.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        var process = await start(cancellation);
        ProcessId = process.Id;
        console.Say($"  {name,-11} ready after {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s");
        _keeping = KeepRunningAsync(process);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _keeping;
        _stopping.Dispose();
    }

    private async Task KeepRunningAsync(ChildProcess? process)
    {
        var pause = FirstPause;
        while (process is not null)
        {
            var since = Stopwatch.GetTimestamp();
            await Task.WhenAny(process.Exited, Task.Delay(Timeout.Infinite, _stopping.Token));
            await process.DisposeAsync();
            if (_stopping.IsCancellationRequested)
            {
                return;
            }
            pause = Stopwatch.GetElapsedTime(since) > Well ? FirstPause : pause;
            console.Warn($"{name} ended with exit code {await process.Exited}; it is started again in {pause.TotalSeconds:0.0} s.");
            process = await StartAgainAsync(pause);
            pause = Longer(pause);
        }
    }

    private async Task<ChildProcess?> StartAgainAsync(TimeSpan pause)
    {
        while (true)
        {
            try
            {
                await Task.Delay(pause, _stopping.Token);
                var since = Stopwatch.GetTimestamp();
                var process = await start(_stopping.Token);
                ProcessId = process.Id;
                console.Warn($"{name} is back after {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s.");
                Restarted();
                return process;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return null;
            }
            catch (Exception e) when (e is EngineException or IOException or SocketException)
            {
                pause = Longer(pause);
                console.Warn($"{name} could not be started: {e.Message} Next try in {pause.TotalSeconds:0.0} s.");
            }
        }
    }

    private static TimeSpan Longer(TimeSpan pause) => pause * 2 < LongestPause ? pause * 2 : LongestPause;
}
