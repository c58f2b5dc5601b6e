using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Relay;
using OrderPlatform.Setup;

namespace OrderPlatform.Bench.Load;

/// <summary>A relay that a benchmark has started.</summary>
/// <param name="Health">Its /health.</param>
internal sealed record BenchRelay(ChildProcess Process, Uri Health) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Process.DisposeAsync();
}

/// <summary>PostgreSQL and Kafka of a benchmark's own, with an event log and topics, for relays to work between.</summary>
internal sealed class RelayEngines : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(1);

    // open to all, unlike CreateTempSubdirectory's: PostgreSQL, run as another user by root, would keep its data elsewhere, and leave it
    private readonly DirectoryInfo _data = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), $"orderplatform-bench-{Guid.NewGuid():N}"));

    private RelayEngines()
    {
    }

    public RunningEngine Postgres { get; private set; } = null!;

    public RunningEngine Kafka { get; private set; } = null!;

    public NpgsqlDataSource Source { get; private set; } = null!;

    /// <summary>Of the database with the event log.</summary>
    public string ConnectionString { get; private set; } = "";

    public static async Task<RelayEngines> StartAsync(CancellationToken cancellation, params string[] postgresSettings)
    {
        var engines = new RelayEngines();
        try
        {
            await engines.StartAsync(postgresSettings, cancellation);
            return engines;
        }
        catch
        {
            await engines.DisposeAsync();
            throw;
        }
    }

    public BenchRelay StartRelay(RelayMode mode, string slot)
    {
        var url = $"http://127.0.0.1:{LoopbackPort.Free()}";
        var process = ChildProcess.Start(
            "relay",
            ChildCommand.DotNet(typeof(RelayOptions).Assembly.Location, "--urls", url) with
            {
                Environment = new Dictionary<string, string>
                {
                    ["ConnectionStrings__orders"] = ConnectionString, ["ConnectionStrings__kafka"] = Kafka.Address, ["Relay__Mode"] = $"{mode}", ["Relay__Slot"] = slot,
                    ["Logging__LogLevel__Default"] = "Warning",
                },
            },
            Console.Error.WriteLine);
        return new BenchRelay(process, new Uri(url + "/health"));
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellation);
    }

    public async Task<object?> ScalarAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(cancellation);
    }

    /// <summary>Waits until a question is answered with true.</summary>
    /// <exception cref="BenchException">It is not, within a minute.</exception>
    public async Task UntilAsync(string condition, CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Bound);
        try
        {
            while (await ScalarAsync(condition, bound.Token) is not true)
            {
                await Task.Delay(Poll, bound.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new BenchException("The relay does not start: its log above says why.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in (IAsyncDisposable?[])[Source, Kafka, Postgres])
        {
            await (engine?.DisposeAsync() ?? default);
        }
        _data.Delete(recursive: true);
    }

    private async Task StartAsync(string[] postgresSettings, CancellationToken cancellation)
    {
        var folder = Path.Combine(_data.FullName, "postgres");
        Postgres = await RunningEngine.StartAsync(new PostgresEngine(settings: postgresSettings), folder, 0, _ => { }, cancellation);
        Kafka = await RunningEngine.StartAsync(new KafkaEngine(), Path.Combine(_data.FullName, "kafka"), 0, _ => { }, cancellation);
        await KafkaTopics.EnsureAsync(Kafka.Address, replicationFactor: 1);
        ConnectionString = PostgresEngine.ConnectionString(folder, Postgres.Port, "orders");
        await PostgresDatabases.EnsureAsync(ConnectionString, cancellation);
        await PostgresMigrations.ApplyAsync(ConnectionString, "orders", cancellation);
        Source = NpgsqlDataSource.Create(ConnectionString);
    }
}
