using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Redis;

/// <summary>Garnet, a server of the Redis protocol, with an append-only log that holds every write before it is acknowledged.</summary>
/// <remarks>
/// What differs from Redis, and matters here (docs/decisions/0005-redis-engine.md): a kill -9 can part the writes of one script, so a
/// script that must be all or nothing writes with one command (HSET of several fields) or the client uses MULTI; EVAL inside MULTI hangs.
/// </remarks>
public sealed class RedisEngine(EngineCache? cache = null) : IEngine
{
    private static readonly TimeSpan RecoveryBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RecoveryPoll = TimeSpan.FromMilliseconds(25);

    private readonly EngineCache _cache = cache ?? EngineCache.User;

    /// <inheritdoc />
    public string Name => "redis";

    /// <inheritdoc />
    public EnginePackage? Package => EnginePackages.Garnet;

    /// <inheritdoc />
    public IReadOnlyList<string> Missing() => [.. _cache.Missing(EnginePackages.Garnet)];

    /// <inheritdoc />
    public Task GetAsync(CancellationToken cancellation) => _cache.GetAsync(EnginePackages.Garnet, cancellation);

    /// <inheritdoc />
    public async Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        try
        {
            Directory.CreateDirectory(dataFolder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EngineException($"Redis cannot keep its data in {dataFolder} ({e.Message}): make room or the right there, or give another folder with --data.", e);
        }
        if (Directory.EnumerateFileSystemEntries(dataFolder).Any())
        {
            await RecoverAsync(dataFolder, cancellation);
        }
        return Server(dataFolder, port);
    }

    /// <inheritdoc />
    public async Task<bool> IsReadyAsync(int port, CancellationToken cancellation)
    {
        try
        {
            return await AskAsync(port, "PING", cancellation) == "+PONG";
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    private ChildCommand Server(string dataFolder, int port) =>
        ChildCommand.DotNet(Path.Combine(_cache.PathOf(EnginePackages.Garnet), "GarnetServer.dll"),
            "--port", $"{port}", "--bind", "127.0.0.1",
            // without the storage tier, what does not fit into the memory is dropped
            "-m", "128m", "-p", "1m", "-i", "16m", "--storage-tier", "--logdir", dataFolder,
            // with the default device, writes are acknowledged and not kept; after a failed recovery, the default goes on without the data
            "--aof", "--aof-commit-wait", "--device-type", "RandomAccess", "--recover", "--fail-on-recovery-error",
            "--aof-memory", "32m", "--aof-page-size", "4m",
            // a log of this size is ended by a checkpoint; without the limit it grows for ever
            "--checkpointdir", dataFolder, "--aof-size-limit", "256m", "--aof-segment-size", "64m",
            // without the transaction mode, other clients see a script half done
            "--lua", "--lua-transaction-mode") with
        {
            // its own setting is a heap for each core
            Environment = new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" },
            WorkingDirectory = dataFolder,
        };

    /// <summary>
    /// Recovers in private and takes a checkpoint, before any client can write. Garnet skips a MULTI that a kill -9 has cut off, but leaves its
    /// beginning in the log: there it would swallow later writes of a session with the same number, or make the next recovery
    /// fail ("No nested transactions expected"). The checkpoint ends that log, and keeps it from growing over the starts.
    /// </summary>
    private async Task RecoverAsync(string dataFolder, CancellationToken cancellation)
    {
        var port = RunningEngine.FreePort();
        var said = new ConcurrentQueue<string>();
        await using var server = ChildProcess.Start("redis recovery", Server(dataFolder, port), said.Enqueue);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(RecoveryBound);
        while (!await IsReadyAsync(port, bound.Token))
        {
            if (server.Exited.IsCompleted)
            {
                throw new EngineException($"Redis cannot recover its data in {dataFolder}; move the folder away to start empty. Its last lines:{Environment.NewLine}{string.Join(Environment.NewLine, said)}");
            }
            await Task.Delay(RecoveryPoll, bound.Token);
        }
        if (await AskAsync(port, "SAVE", bound.Token) is var answer && answer != "+OK")
        {
            throw new EngineException($"Redis cannot write a checkpoint into {dataFolder} ({answer}): make room there, or give another folder with --data.");
        }
    }

    // https://redis.io/docs/latest/develop/reference/protocol-spec/: an array of one bulk string; a simple string or an error in answer
    private static async Task<string?> AskAsync(int port, string command, CancellationToken cancellation)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", port, cancellation);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"*1\r\n${command.Length}\r\n{command}\r\n"), cancellation);
        using var reader = new StreamReader(stream, Encoding.ASCII);
        return await reader.ReadLineAsync(cancellation);
    }
}
