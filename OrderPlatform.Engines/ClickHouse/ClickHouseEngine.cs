using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>ClickHouse 26.7 (libchdb) behind its HTTP interface, as a child process.</summary>
public sealed class ClickHouseEngine(EngineCache? cache = null) : IEngine, IDisposable
{
    private readonly EngineCache _cache = cache ?? EngineCache.User;
    private readonly HttpClient _http = new(new SocketsHttpHandler()) { Timeout = TimeSpan.FromSeconds(1) };

    /// <inheritdoc />
    public string Name => "clickhouse";

    /// <inheritdoc />
    public EnginePackage? Package => EnginePackages.ClickHouse;

    /// <inheritdoc />
    public IReadOnlyList<string> Missing() =>
        Package is null
            ? [$"There is no embedded ClickHouse for {EnginePackages.Platform}: use containers (-p:UseAspire=true)."]
            : [.. _cache.Missing(Package)];

    /// <inheritdoc />
    public Task GetAsync(CancellationToken cancellation) => GetLibraryAsync(cancellation);

    /// <summary>The path of libchdb.so, got into the cache when it is not there yet.</summary>
    /// <exception cref="EngineException">It could not be had; the message names the mend.</exception>
    public async Task<string> GetLibraryAsync(CancellationToken cancellation) =>
        Missing() is [_, ..] missing
            ? throw new EngineException(string.Join(" ", missing))
            : Path.Combine(await _cache.GetAsync(Package!, cancellation), "libchdb.so");

    /// <inheritdoc />
    public Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        Directory.CreateDirectory(dataFolder);
        return Task.FromResult(ChildCommand.DotNet(typeof(ClickHouseEngine).Assembly.Location, "clickhouse", "--port", $"{port}", "--data", dataFolder));
    }

    /// <inheritdoc />
    public async Task<bool> IsReadyAsync(int port, CancellationToken cancellation)
    {
        try
        {
            return await _http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/ping"), cancellation) == "Ok.\n";
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();
}
