using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// How long after its recording in PostgreSQL an event is in Kafka, in Redis and in ClickHouse's view, seen from outside:
/// by a consumer, by the hint that follows the write to Redis, and by the number of facts in the daily view.
/// </summary>
public static class FreshnessBench
{
    // each look at the view costs ClickHouse a few milliseconds of a core: seldom enough not to be the load itself
    private static readonly TimeSpan ViewPoll = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(20);

    /// <summary>Places orders at a rate on a running standalone host and writes freshness.md and .json.</summary>
    public static async Task<int> RunAsync(RunningHost host, int perSecond, int seconds, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        using var api = host.Client(64);
        var recorded = new ConcurrentDictionary<string, DateTimeOffset>();
        var toKafka = new ConcurrentBag<double>();
        var redisSeen = new ConcurrentDictionary<string, DateTimeOffset>();
        using var redis = await ConnectionMultiplexer.ConnectAsync(host.Redis);
        await redis.GetSubscriber().SubscribeAsync(RankingKeys.StatusChannel, (_, message) => redisSeen.TryAdd(((string)message!).Split(' ')[0], TimeProvider.System.GetUtcNow()));

        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var ends = OrderEvents.Ends(host.Kafka);
        var kafka = Task.Factory.StartNew(() => WatchKafka(host.Kafka, ends, recorded, toKafka, watching.Token), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var view = new ClickHouseFacts(host.ClickHouse);
        var before = await view.CountAsync(cancellation);
        var counts = new List<(DateTimeOffset At, long Facts)>();
        var clickHouse = WatchViewAsync(view, counts, watching.Token);

        var answered = 0;
        await OrderLoad.AtRateAsync(perSecond, TimeSpan.FromSeconds(seconds), async () =>
        {
            using var response = await api.SendAsync(OrderLoad.Place(Random.Shared), cancellation);
            response.EnsureSuccessStatusCode();
            Interlocked.Increment(ref answered);
        }, cancellation);
        await UntilAsync(() => recorded.Count >= answered && recorded.Keys.All(redisSeen.ContainsKey) && counts.Count > 0 && counts[^1].Facts - before >= answered, cancellation);
        await watching.CancelAsync();
        await Task.WhenAll(kafka, clickHouse);

        var inOrder = recorded.Values.Order().ToList();
        var results = new Dictionary<string, Percentiles>
        {
            ["Kafka"] = Percentiles.Of(toKafka),
            ["Redis"] = Percentiles.Of(recorded.Where(order => redisSeen.ContainsKey(order.Key)).Select(order => (redisSeen[order.Key] - order.Value).TotalMilliseconds)),
            ["ClickHouse view"] = Percentiles.Of(inOrder.Select((at, rank) => (FirstSeen(counts, before + rank + 1) - at)?.TotalMilliseconds ?? double.MaxValue)),
        };
        Write(resultsFolder, perSecond, seconds, answered, results, host.Memory());
        return 0;
    }

    private static void WatchKafka(string bootstrapServers, IReadOnlyList<TopicPartitionOffset> ends, ConcurrentDictionary<string, DateTimeOffset> recorded, ConcurrentBag<double> latencies, CancellationToken cancellation)
    {
        using var consumer = KafkaClients.Consumer(bootstrapServers, "bench-" + Guid.NewGuid().ToString("N"), _ => { });
        consumer.Assign(ends);
        while (!cancellation.IsCancellationRequested)
        {
            if (consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } consumed
                && UtcTime.TryParse(Encoding.ASCII.GetString(consumed.Message.Headers.GetLastBytes(Envelope.RecordedTime)), out var at))
            {
                latencies.Add((TimeProvider.System.GetUtcNow() - at).TotalMilliseconds);
                recorded.TryAdd(Encoding.UTF8.GetString(consumed.Message.Key), at);
            }
        }
    }

    private static async Task WatchViewAsync(ClickHouseFacts view, List<(DateTimeOffset At, long Facts)> counts, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                var facts = await view.CountAsync(cancellation);
                if (counts.Count == 0 || counts[^1].Facts != facts)
                {
                    counts.Add((TimeProvider.System.GetUtcNow(), facts));
                }
                await Task.Delay(ViewPoll, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // the load is over
        }
    }

    private static DateTimeOffset? FirstSeen(List<(DateTimeOffset At, long Facts)> counts, long facts)
    {
        foreach (var (at, seen) in counts)
        {
            if (seen >= facts)
            {
                return at;
            }
        }
        return null;
    }

    private static async Task UntilAsync(Func<bool> condition, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(since) < Drain)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
        }
    }

    private static void Write(string folder, int perSecond, int seconds, int answered, Dictionary<string, Percentiles> results, IReadOnlyDictionary<string, int> memory)
    {
        var text = new StringBuilder()
            .AppendLine("# Freshness").AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"`dotnet run -c Release --project OrderPlatform.Bench -- freshness --rate {perSecond} --seconds {seconds}` against a running standalone host on the same machine, {Machine.Description}.")
            .AppendLine(CultureInfo.InvariantCulture, $"{answered:N0} orders placed at {perSecond} a second; from the event's recording in PostgreSQL until it is seen from outside.").AppendLine()
            .AppendLine("| to | p50 ms | p95 ms | p99 ms | max ms | events |").AppendLine("|---|---|---|---|---|---|");
        foreach (var (store, of) in results)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {store} | {of.P50Ms} | {of.P95Ms} | {of.P99Ms} | {of.MaxMs} | {of.Count:N0} |");
        }
        text.AppendLine().AppendLine("Resident memory afterwards: " + string.Join(", ", memory.Select(process => $"{process.Key} {process.Value} MB")) + ".");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "freshness.md"), text.ToString());
        File.WriteAllText(Path.Combine(folder, "freshness.json"), JsonSerializer.Serialize(new { machine = Machine.Description, perSecond, seconds, answered, results, residentMegabytes = memory }, Machine.Json));
        Console.WriteLine(text);
    }

    /// <summary>The number of facts in the daily view.</summary>
    private sealed class ClickHouseFacts(Uri endpoint) : IDisposable
    {
        private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = endpoint };

        public async Task<long> CountAsync(CancellationToken cancellation)
        {
            using var response = await _http.PostAsync(new Uri("/?database=analytics", UriKind.Relative), new StringContent("SELECT sum(facts) FROM sales_daily"), cancellation);
            return long.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(cancellation), CultureInfo.InvariantCulture);
        }

        public void Dispose() => _http.Dispose();
    }
}
