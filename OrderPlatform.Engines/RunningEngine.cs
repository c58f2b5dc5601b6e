using System.Diagnostics;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines;

/// <summary>An engine that runs as a child of this process on a loopback port.</summary>
public sealed class RunningEngine : IAsyncDisposable
{
    private static readonly TimeSpan ReadyBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LastOwnerBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ReadyPoll = TimeSpan.FromMilliseconds(25);

    private RunningEngine(ChildProcess process, int port)
    {
        Process = process;
        Port = port;
    }

    /// <summary>The engine's process.</summary>
    public ChildProcess Process { get; }

    /// <summary>The port it listens on, on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>host:port.</summary>
    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Gets the engine if need be, starts it and waits until it answers.</summary>
    /// <param name="port">0 takes a free one.</param>
    /// <exception cref="EngineException">It cannot be had, or is not ready within 60 s, or has ended before it was.</exception>
    public static async Task<RunningEngine> StartAsync(IEngine engine, string dataFolder, int port, Action<string> log, CancellationToken cancellation)
    {
        if (engine.Missing() is [_, ..] missing)
        {
            throw new EngineException(string.Join(" ", missing));
        }
        await engine.GetAsync(cancellation);
        dataFolder = Path.GetFullPath(dataFolder);
        var owner = new ProcessFile(Path.Combine(dataFolder, "engine.pid"));
        if (await owner.UntilGoneAsync(LastOwnerBound, cancellation) is { } pid)
        {
            throw new EngineException($"{engine.Name} already runs on {dataFolder} as process {pid}. Stop it, or give another folder with --data.");
        }
        if (port == 0)
        {
            port = LoopbackPort.Free();
        }
        await LoopbackPort.UntilFreeAsync(port, "--port", cancellation);
        var command = await engine.PrepareAsync(dataFolder, port, cancellation);
        var running = new RunningEngine(ChildProcess.Start(engine.Name, command, log), port);
        owner.Write(running.Process.Id);
        try
        {
            await running.UntilReadyAsync(engine, cancellation);
            return running;
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private async Task UntilReadyAsync(IEngine engine, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await engine.IsReadyAsync(Port, cancellation))
        {
            if (Process.Exited.IsCompleted)
            {
                throw new EngineException($"{engine.Name} ended with exit code {await Process.Exited} before it was ready; its last lines above say why.");
            }
            if (Stopwatch.GetElapsedTime(since) > ReadyBound)
            {
                throw new EngineException($"{engine.Name} was not ready on port {Port} within {ReadyBound.TotalSeconds:0} s; its log above says why.");
            }
            await Task.Delay(ReadyPoll, cancellation);
        }
    }
}
