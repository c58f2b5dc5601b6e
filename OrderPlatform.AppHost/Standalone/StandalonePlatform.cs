using System.Diagnostics;
using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;
using OrderPlatform.Engines.Faults;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Engines.Redis;

namespace OrderPlatform.AppHost.Standalone;

/// <summary>
/// The topology: engines, then the set-up step, then the services, each started when what it depends on is healthy, and
/// stopped in the reverse order.
/// </summary>
internal sealed class StandalonePlatform : IAsyncDisposable
{
    private const string Loopback = "127.0.0.1";

    /// <summary>The engines that the platform stands on.</summary>
    public static readonly IReadOnlyList<IEngine> EngineKinds = [new PostgresEngine(), new KafkaEngine(), new RedisEngine(), new ClickHouseEngine()];

    private readonly DataFolder _data;
    private readonly HostConsole _console;
    private readonly int _postgresPort = LoopbackPort.Free();
    private readonly int _kafkaPort = LoopbackPort.Free();
    private readonly int _redisPort = LoopbackPort.Free();
    private readonly int _clickHousePort = LoopbackPort.Free();
    // where services find an engine: at its own port, or at the faulty network's
    private readonly Dictionary<string, int> _ways;
    private readonly int? _faultPort;
    private readonly Uri _api;
    private readonly Uri _relay = Url(LoopbackPort.Free());
    private readonly Uri _projections = Url(LoopbackPort.Free());
    private readonly List<Supervised> _engines;
    private readonly List<Supervised> _services = [];
    private readonly Lock _writing = new();
    private ServiceProcess? _processes;
    private FaultyNetwork? _network;

    public StandalonePlatform(StandaloneOptions options, DataFolder data, HostConsole console)
    {
        _data = data;
        _console = console;
        _api = Url(options.ApiPort);
        _faultPort = options.FaultPort;
        int[] ports = [_postgresPort, _kafkaPort, _redisPort, _clickHousePort];
        _ways = EngineKinds.Zip(ports).ToDictionary(engine => engine.First.Name, engine => _faultPort is null ? engine.Second : LoopbackPort.Free());
        _engines = [.. EngineKinds.Select(kind => kind is KafkaEngine ? new KafkaEngine(_ways[kind.Name]) : kind).Zip(ports, Engine)];
    }

    /// <summary>Starts everything and writes run.json once all is healthy.</summary>
    /// <param name="librdkafka">Path of the native Kafka client for the services.</param>
    /// <exception cref="EngineException">Something could not be started; the message names the mend.</exception>
    public async Task StartAsync(string librdkafka, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        await LoopbackPort.UntilFreeAsync(_api.Port, "--api-port", cancellation);
        _network = _faultPort is { } port ? await FaultyNetwork.StartAsync([Way("postgres", _postgresPort), Way("kafka", _kafkaPort), Way("redis", _redisPort), Way("clickhouse", _clickHousePort)], port, cancellation) : null;
        await Task.WhenAll(_engines.Select(engine => engine.StartAsync(cancellation)));

        _processes = new ServiceProcess(_console, Environment(librdkafka));
        await _processes.RunToEndAsync("setup", "OrderPlatform.Setup", cancellation);

        _services.AddRange([Service("relay", "OrderPlatform.Relay", _relay), Service("projections", "OrderPlatform.Projections", _projections), Service("api", "OrderPlatform.Api", _api)]);
        await Task.WhenAll(_services.Select(service => service.StartAsync(cancellation)));

        WriteRunFile();
        foreach (var process in _engines.Concat(_services))
        {
            process.Restarted = WriteRunFile;
        }
        Introduce(Stopwatch.GetElapsedTime(since));
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_services.Select(service => service.DisposeAsync().AsTask()));
        await Task.WhenAll(_engines.Select(engine => engine.DisposeAsync().AsTask()));
        if (_network is not null)
        {
            await _network.DisposeAsync();
        }
        _processes?.Dispose();
    }

    private (string Engine, int Port, int Target) Way(string engine, int target) => (engine, _ways[engine], target);

    private static Uri Url(int port) => new($"http://{Loopback}:{port}");

    private Supervised Engine(IEngine engine, int port) => new(engine.Name, cancellation => StartAsync(engine, port, cancellation), _console);

    private async Task<ChildProcess> StartAsync(IEngine engine, int port, CancellationToken cancellation)
    {
        var folder = _data.Named(engine.Name);
        var isUnreadable = false;
        try
        {
            return (await RunningEngine.StartAsync(engine, folder, port, Take, cancellation)).Process;
        }
        catch (EngineException) when (isUnreadable)
        {
            // it holds nothing that is not made from Kafka's events
            var aside = $"{folder}.unreadable-{TimeProvider.System.GetUtcNow():yyyyMMdd-HHmmss}";
            Directory.Move(folder, aside);
            _console.Say($"{engine.Name} cannot read its data any more. They are put aside in {aside}; it starts empty, and the projections build it again from Kafka.");
            return (await RunningEngine.StartAsync(engine, folder, port, Take, cancellation)).Process;
        }

        void Take(string line)
        {
            isUnreadable |= engine is RedisEngine && RedisEngine.IsUnreadable(line);
            Log(engine, line);
        }
    }

    private void Log(IEngine engine, string line)
    {
        if (!engine.IsRoutine(line))
        {
            _console.Log(engine.Name, line);
        }
    }

    private Supervised Service(string name, string project, Uri url) =>
        new(name, cancellation => _processes!.StartWebAsync(name, project, url, cancellation), _console);

    private Dictionary<string, string> Environment(string librdkafka) => new()
    {
        ["ConnectionStrings__orders"] = Postgres("orders", _ways["postgres"]),
        ["ConnectionStrings__views"] = Postgres("views", _ways["postgres"]),
        ["ConnectionStrings__kafka"] = $"{Loopback}:{_ways["kafka"]}",
        ["ConnectionStrings__redis"] = $"{Loopback}:{_ways["redis"]}",
        ["ConnectionStrings__clickhouse"] = $"Host={Loopback};Port={_ways["clickhouse"]};Protocol=http;Database=analytics",
        ["ORDERPLATFORM_LIBRDKAFKA"] = librdkafka,
        // 48 MB between collections (hexadecimal), not 16: what waits to be written lives through fewer of them (docs/results/rebuild.md)
        ["DOTNET_GCgen0size"] = "0x3000000",
        ["ASPNETCORE_ENVIRONMENT"] = "Development",
        ["DOTNET_ENVIRONMENT"] = "Development",
        ["Logging__Console__FormatterName"] = "simple",
        ["Logging__Console__FormatterOptions__SingleLine"] = "true",
        ["Authentication__DevelopmentKey"] = _data.ApiKey(),
        ["Privacy__MasterKey"] = _data.MasterKey(),
        ["Notifications__Folder"] = _data.Named("notifications"),
    };

    private string Postgres(string database, int port) => PostgresEngine.ConnectionString(_data.Named("postgres"), port, database);

    // two processes may be back at the same moment
    private void WriteRunFile()
    {
        lock (_writing)
        {
            Snapshot().Write(_data.RunFile);
        }
    }

    private RunFile Snapshot() => new()
    {
        Api = Text(_api),
        Relay = Text(_relay),
        Projections = Text(_projections),
        Clickhouse = Text(Url(_clickHousePort)),
        Kafka = $"{Loopback}:{_kafkaPort}",
        Redis = $"{Loopback}:{_redisPort}",
        Postgres = Postgres("orders", _postgresPort),
        Faults = _faultPort is { } port ? Text(Url(port)) : null,
        ApiKey = _data.ApiKey(),
        Processes = _engines.Concat(_services).ToDictionary(process => process.Name, process => process.ProcessId),
    };

    private void Introduce(TimeSpan elapsed)
    {
        _console.Say($"\nThe order platform is up after {elapsed.TotalSeconds:0.0} s.\n");
        _console.Table([
            ("api", Text(_api), $"send the header X-Api-Key: {_data.ApiKey()}"),
            ("relay", Text(_relay) + "/health", ""),
            ("projections", Text(_projections) + "/health", ""),
            ("clickhouse", Text(Url(_clickHousePort)), "ClickHouse's HTTP interface, database analytics"),
            ("postgres", $"{Loopback}:{_postgresPort}", "databases orders and views; the connection string is in run.json"),
            ("kafka", $"{Loopback}:{_kafkaPort}", ""),
            ("redis", $"{Loopback}:{_redisPort}", ""),
            ("data", _data.Path, "run.json has all of this for programs"),
        ]);
        _console.Say("\nCtrl-C stops everything and keeps the data.\n");
    }

    private static string Text(Uri url) => url.GetLeftPart(UriPartial.Authority);
}
