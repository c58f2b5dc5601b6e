using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Redis;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Tests;

[assembly: AssemblyFixture(typeof(EngineFixture))]

namespace OrderPlatform.Tests;

/// <summary>
/// The engines of the whole test run, each started once, when the first test asks for it, in a throw-away data folder.
/// A test that restarts or breaks an engine starts one of its own.
/// </summary>
public sealed class EngineFixture : IAsyncLifetime
{
    private readonly TemporaryFolder _data = new();
    private readonly Lazy<Task<string>> _clientLibrary = new(() => FirstStart.GetAllAsync([new PostgresEngine(), new KafkaEngine(), new RedisEngine(), new ClickHouseEngine()], CancellationToken.None));
    private readonly Lazy<Task<RunningEngine>> _postgres;
    private readonly Lazy<Task<RunningEngine>> _kafka;
    private readonly Lazy<Task<RunningEngine>> _redis;
    private readonly Lazy<Task<RunningEngine>> _clickHouse;

    /// <summary>Starts nothing yet.</summary>
    public EngineFixture()
    {
        _postgres = Started(new PostgresEngine());
        _kafka = Started(new KafkaEngine());
        _redis = Started(new RedisEngine());
        _clickHouse = Started(new ClickHouseEngine());
    }

    /// <summary>PostgreSQL of this run.</summary>
    public Task<RunningEngine> PostgresAsync() => _postgres.Value;

    /// <summary>The Kafka-protocol broker of this run.</summary>
    public Task<RunningEngine> KafkaAsync() => _kafka.Value;

    /// <summary>Garnet of this run.</summary>
    public Task<RunningEngine> RedisAsync() => _redis.Value;

    /// <summary>ClickHouse of this run.</summary>
    public Task<RunningEngine> ClickHouseAsync() => _clickHouse.Value;

    /// <summary>The data folder of an engine, by its name.</summary>
    public string FolderOf(string engine) => Path.Combine(_data.Path, engine);

    /// <summary>Makes Confluent.Kafka usable in this process.</summary>
    public async Task KafkaClientAsync(CancellationToken cancellation)
    {
        Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await _clientLibrary.Value.WaitAsync(cancellation));
        KafkaLibrary.Load();
    }

    /// <inheritdoc />
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var engine in (Lazy<Task<RunningEngine>>[])[_postgres, _kafka, _redis, _clickHouse])
        {
            if (engine.IsValueCreated)
            {
                await (await engine.Value).DisposeAsync();
            }
        }
        _data.Dispose();
    }

    private Lazy<Task<RunningEngine>> Started(IEngine engine) => new(() => RunningEngine.StartAsync(
        engine, FolderOf(engine.Name), port: 0, line => TestContext.Current.SendDiagnosticMessage("{0}: {1}", engine.Name, line), CancellationToken.None));
}
