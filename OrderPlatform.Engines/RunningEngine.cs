using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines;

/// <summary>An engine that runs as a child of this process on a loopback port.</summary>
public sealed class RunningEngine : IAsyncDisposable
{
    private static readonly TimeSpan ReadyBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ReadyPoll = TimeSpan.FromMilliseconds(25);

    // an engine whose host was killed a moment ago may still be stopping
    private static readonly TimeSpan PortBound = TimeSpan.FromSeconds(5);

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
    /// <exception cref="EngineException">It cannot be had, or its port is taken, or it is not ready within 60 s, or it has ended before it was.</exception>
    public static async Task<RunningEngine> StartAsync(IEngine engine, string dataFolder, int port, Action<string> log, CancellationToken cancellation)
    {
        if (engine.Missing() is [_, ..] missing)
        {
            throw new EngineException(string.Join(" ", missing));
        }
        await engine.GetAsync(cancellation);
        if (port == 0)
        {
            port = FreePort();
        }
        else
        {
            await UntilFreeAsync(port, cancellation);
        }
        var command = await engine.PrepareAsync(Path.GetFullPath(dataFolder), port, cancellation);
        var running = new RunningEngine(ChildProcess.Start(engine.Name, command, log), port);
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

    /// <summary>A loopback port that nobody listens on at the moment.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private static async Task UntilFreeAsync(int port, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return;
            }
            catch (SocketException e) when (Stopwatch.GetElapsedTime(since) > PortBound)
            {
                throw new EngineException($"Port {port} cannot be listened on ({e.Message}): stop the program that has it, or choose another with --port.", e);
            }
            catch (SocketException)
            {
                await Task.Delay(ReadyPoll, cancellation);
            }
        }
    }

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
