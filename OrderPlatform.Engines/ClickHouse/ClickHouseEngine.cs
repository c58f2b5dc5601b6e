using System.Globalization;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>ClickHouse 26.7 (libchdb) behind its HTTP interface, as a child process.</summary>
public sealed class ClickHouseEngine : IEngine, IDisposable
{
    /// <summary>The environment variable that names libchdb to the child.</summary>
    public const string LibraryVariable = "ORDERPLATFORM_LIBCHDB";

    private static readonly string Program = typeof(ClickHouseEngine).Assembly.Location;

    private readonly HttpClient _http = new(new SocketsHttpHandler()) { Timeout = TimeSpan.FromSeconds(1) };

    /// <inheritdoc />
    public string Name => "clickhouse";

    /// <summary>Where libchdb lies: what the variable says.</summary>
    public static string? LibraryPath => Environment.GetEnvironmentVariable(LibraryVariable);

    /// <inheritdoc />
    public IReadOnlyList<string> Missing() =>
        LibraryPath is { } path && File.Exists(path) ? [] : [$"libchdb is missing: set {LibraryVariable} to its path."];

    /// <inheritdoc />
    public Task GetAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc />
    public Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        Directory.CreateDirectory(dataFolder);
        var command = ChildCommand.DotNet(Program, "clickhouse", "--port", port.ToString(CultureInfo.InvariantCulture), "--data", dataFolder) with
        {
            Environment = new Dictionary<string, string> { [LibraryVariable] = LibraryPath! },
        };
        return Task.FromResult(command);
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
