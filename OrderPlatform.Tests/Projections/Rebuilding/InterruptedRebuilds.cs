using System.Text.Json.Nodes;
using Confluent.Kafka;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;
using Npgsql;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.Rebuilding;

/// <summary>Where a rebuild is broken off.</summary>
internal enum RebuildStep
{
    Created,
    Written,
    Completed,
    Compared,
    Swapped,
}

/// <summary>Rebuilds in this process, on the stores of a running platform, that break off and are taken up by another holder.</summary>
internal sealed class InterruptedRebuilds : IAsyncDisposable
{
    private readonly RebuildingPlatform _platform;
    private readonly ServiceProvider _services;

    private InterruptedRebuilds(RebuildingPlatform platform, ServiceProvider services) => (_platform, _services) = (platform, services);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<InterruptedRebuilds> CreateAsync(RebuildingPlatform platform, EngineFixture engines)
    {
        await engines.KafkaClientAsync(Cancellation);
        var run = platform.Run;
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:kafka"] = (string)run["kafka"]! }).Build());
        services.AddLogging().AddSingleton(TimeProvider.System);
        services.AddKeyedSingleton(Connections.Orders, (_, _) => NpgsqlDataSource.Create(platform.OrdersConnection));
        services.AddKeyedSingleton(Connections.Views, (_, _) => NpgsqlDataSource.Create(platform.ViewsConnection));
        services.AddSingleton(KafkaClients.Admin((string)run["kafka"]!));
        services.AddSingleton<IConnectionMultiplexer>(await ConnectionMultiplexer.ConnectAsync((string)run["redis"]!));
        services.AddSingleton(_ => new ClickHouseClient(new HttpClient(new SocketsHttpHandler()), new ClickHouseConnection(new Uri((string)run["clickhouse"]!), "default", "", "analytics")));
        services.AddRebuilding();
        return new InterruptedRebuilds(platform, services.BuildServiceProvider());
    }

    /// <summary>Rebuilds a projection, with a first holder that dies after the step and a second one that goes on.</summary>
    /// <returns>The comparison.</returns>
    public async Task<JsonNode> RunAsync(string projection, RebuildStep after)
    {
        var jobs = _services.GetRequiredService<RebuildJobs>();
        var rebuildable = _services.GetServices<Rebuildable>().Single(rebuildable => rebuildable.Name == projection);
        // the platform's own worker keeps its hands off: somebody works on it, it seems
        var id = (Guid)(await _platform.ViewsAsync(
            $"INSERT INTO rebuild (id, projection, kind, state, reason, requested_by, started_at, epoch, heartbeat_at) VALUES (gen_random_uuid(), '{projection}', 'rebuild', 'building', 'test', 'test', now(), 1, 'infinity') RETURNING id"))!;
        await Should.ThrowAsync<IOException>(() => RebuildOf(Job(id, projection, "building", 1), rebuildable with { ShadowOf = job => new Interrupted(rebuildable.ShadowOf(job), after) }, jobs).RunAsync(Cancellation), $"{projection} after {after}");

        var state = (string)(await _platform.ViewsAsync($"UPDATE rebuild SET epoch = 2 WHERE id = '{id}' RETURNING state"))!;
        var second = Job(id, projection, state, 2);
        var rebuild = RebuildOf(second, rebuildable, jobs);
        (await rebuild.RunAsync(Cancellation)).ShouldBeTrue();
        await rebuild.DropAsync(Cancellation);
        await jobs.FinishAsync(second, "done", problem: null, Cancellation);
        return JsonNode.Parse((string)(await _platform.ViewsAsync($"SELECT comparison::text FROM rebuild WHERE id = '{id}'"))!)!;
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static RebuildJob Job(Guid id, string projection, string state, long epoch) =>
        new(id, projection, IsReset: false, state, OnlyCompare: false, FromOffset: null, FromTime: null, LogHorizon: null, LogCovers: null, epoch);

    private Rebuild RebuildOf(RebuildJob job, Rebuildable projection, RebuildJobs jobs) => new(
        job, projection, jobs, _services.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Orders), _services.GetRequiredService<IAdminClient>(), _services.GetRequiredService<IConfiguration>());

    /// <summary>A shadow whose holder dies after one of its steps, in the first of several batches when it is writing.</summary>
    private sealed class Interrupted(IShadow shadow, RebuildStep after) : IShadow, ISink
    {
        public ISink Sink => this;

        public string Name => shadow.Sink.Name;

        public string? Store => shadow.Sink.Store;

        public IReadOnlyList<string> Topics => shadow.Sink.Topics;

        public int MaxBatch => 25;

        public TimeSpan Linger => shadow.Sink.Linger;

        public Task CreateAsync(CancellationToken cancellation) => ThenAsync(RebuildStep.Created, shadow.CreateAsync(cancellation));

        public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation) => shadow.Sink.ResumeAsync(partitions, cancellation);

        public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
        {
            await shadow.Sink.WriteAsync(batch, cancellation);
            await ThenAsync(RebuildStep.Written, shadow.FlushAsync(cancellation));
        }

        public Task FlushAsync(CancellationToken cancellation) => shadow.FlushAsync(cancellation);

        public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation) => shadow.SkipToAsync(offsets, cancellation);

        public Task CompleteAsync(CancellationToken cancellation) => ThenAsync(RebuildStep.Completed, shadow.CompleteAsync(cancellation));

        public Task<StoreSummary> SummarizeLiveAsync(CancellationToken cancellation) => shadow.SummarizeLiveAsync(cancellation);

        public async Task<StoreSummary> SummarizeAsync(CancellationToken cancellation)
        {
            var summary = await shadow.SummarizeAsync(cancellation);
            await ThenAsync(RebuildStep.Compared, Task.CompletedTask);
            return summary;
        }

        public Task<bool> IsSwappedAsync(CancellationToken cancellation) => shadow.IsSwappedAsync(cancellation);

        public async Task<bool> TrySwapAsync(Func<IReadOnlyDictionary<int, long>, Task> advanceAsync, CancellationToken cancellation)
        {
            var swapped = await shadow.TrySwapAsync(advanceAsync, cancellation);
            await ThenAsync(RebuildStep.Swapped, Task.CompletedTask);
            return swapped;
        }

        public Task DropAsync(CancellationToken cancellation) => shadow.DropAsync(cancellation);

        private async Task ThenAsync(RebuildStep step, Task done)
        {
            await done;
            if (step == after)
            {
                throw new IOException("as if the process died");
            }
        }
    }
}
