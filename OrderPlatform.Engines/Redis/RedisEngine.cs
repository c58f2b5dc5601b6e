using System.Net.Sockets;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Redis;

/// <summary>Garnet, a server of the Redis protocol, with an append-only log that holds every write before it is acknowledged.</summary>
/// <remarks>
/// What differs from Redis, and matters here (docs/decisions/0005-redis-engine.md): a kill -9 can part the writes of one script, so a
/// script that must be all or nothing writes with one command (HSET of several fields). MULTI is refused, because a kill -9 in the
/// middle of a transaction leaves a log that cannot be recovered.
/// </remarks>
public sealed class RedisEngine(EngineCache? cache = null) : IEngine
{
    // everything to everyone on this machine, but no transactions
    private const string AccessRules = "user default on nopass +@all -multi\n";

    private readonly EngineCache _cache = cache ?? EngineCache.User;

    /// <summary>How much of its data and their former versions is kept in memory, as Garnet writes sizes; it takes what it needs of that. The rest is on the disk.</summary>
    public string Memory { get; init; } = "2g";

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
            await File.WriteAllTextAsync(AccessFile(dataFolder), AccessRules, cancellation);
            TornCommit.Mend(dataFolder);
            LogFile.Extend(dataFolder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EngineException($"Redis cannot keep its data in {dataFolder} ({e.Message}): make room or the right there, or give another folder with --data.", e);
        }
        return Server(dataFolder, port);
    }

    /// <inheritdoc />
    public async Task<bool> IsReadyAsync(int port, CancellationToken cancellation)
    {
        try
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync("127.0.0.1", port, cancellation);
            var stream = socket.GetStream();
            await stream.WriteAsync("*1\r\n$4\r\nPING\r\n"u8.ToArray(), cancellation);
            var answer = new byte["+PONG\r\n".Length];
            await stream.ReadExactlyAsync(answer, cancellation);
            return answer.AsSpan().SequenceEqual("+PONG\r\n"u8);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    /// <summary>Whether the server says by this line that it does not start because it cannot read its own checkpoint (docs/decisions/0005).</summary>
    public static bool IsUnreadable(string line) =>
        line.Contains("Error during recovery of store", StringComparison.Ordinal) || line.Contains("Recovery is incomplete", StringComparison.Ordinal);

    private static string AccessFile(string dataFolder) => Path.Combine(dataFolder, "users.acl");

    private ChildCommand Server(string dataFolder, int port) =>
        ChildCommand.DotNet(Path.Combine(_cache.PathOf(EnginePackages.Garnet), "GarnetServer.dll"),
            "-q", "--port", $"{port}", "--bind", "127.0.0.1",
            // without the storage tier, what does not fit into the memory is dropped
            "-m", Memory, "-p", "1m", "-i", "16m", "--storage-tier", "--logdir", dataFolder, "--segment", LogFile.Segment,
            // with the default device, writes are acknowledged and not kept; after a failed recovery, the default goes on without the data
            "--aof", "--aof-commit-wait", "--device-type", "RandomAccess", "--recover", "--fail-on-recovery-error",
            "--aof-memory", "32m", "--aof-page-size", "4m",
            // a log of this size is ended by a checkpoint; a start reads it whole, at 25 to 50 MB/s
            "--checkpointdir", dataFolder, "--aof-size-limit", "32m", "--aof-segment-size", "16m",
            // without the transaction mode, other clients see a script half done
            "--lua", "--lua-transaction-mode",
            "--auth", "ACL", "--acl-file", AccessFile(dataFolder)) with
        {
            // its own setting is a heap for each core
            Environment = new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" },
            WorkingDirectory = dataFolder,
        };
}
