using System.Net.Sockets;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Redis;

/// <summary>Garnet, a server of the Redis protocol, with an append-only log that holds every write before it is acknowledged.</summary>
public sealed class RedisEngine(EngineCache? cache = null) : IEngine
{
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
    public Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        try
        {
            Directory.CreateDirectory(dataFolder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EngineException($"Redis cannot keep its data in {dataFolder} ({e.Message}): make room or the right there, or give another folder with --data.", e);
        }
        string[] arguments =
        [
            "--port", $"{port}", "--bind", "127.0.0.1",
            "-m", "128m", "-p", "1m", "-i", "16m",
            // with the default device, writes are acknowledged and not kept; with a failed recovery, the default goes on empty
            "--aof", "--aof-commit-wait", "--device-type", "RandomAccess", "--recover", "--fail-on-recovery-error",
            "--aof-memory", "32m", "--aof-page-size", "4m",
            "--checkpointdir", dataFolder,
            // without the transaction mode, other clients see a script half done
            "--lua", "--lua-transaction-mode",
        ];
        var command = ChildCommand.DotNet(Path.Combine(_cache.PathOf(EnginePackages.Garnet), "GarnetServer.dll"), arguments) with
        {
            // its own setting is a heap for each core
            Environment = new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" },
            WorkingDirectory = dataFolder,
        };
        return Task.FromResult(command);
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
}
