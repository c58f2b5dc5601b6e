using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// When the first event of each order is seen from outside: in Kafka by a consumer, in Redis by the hint that follows the write, and in
/// ClickHouse by its fact. Orders are followed by their ids, so that what a saga adds disturbs nothing.
/// </summary>
internal sealed class FreshnessWatch : IAsyncDisposable
{
    // each look at ClickHouse costs it a few milliseconds of a core: seldom enough not to be the load itself
    private static readonly TimeSpan FactsPoll = TimeSpan.FromMilliseconds(40);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _recorded = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _inKafka = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _inRedis = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _inClickHouse = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly ConnectionMultiplexer _redis;
    private readonly HttpClient _clickHouse;
    private readonly Task _watching;

    private FreshnessWatch(RunningHost host, ConnectionMultiplexer redis)
    {
        _redis = redis;
        _clickHouse = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = host.ClickHouse };
        var ends = OrderEvents.Ends(host.Kafka);
        _watching = Task.WhenAll(
            Task.Factory.StartNew(() => WatchKafka(host.Kafka, ends), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default),
            WatchClickHouseAsync());
    }

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public static async Task<FreshnessWatch> StartAsync(RunningHost host)
    {
        var redis = await ConnectionMultiplexer.ConnectAsync(host.Redis);
        var watch = new FreshnessWatch(host, redis);
        await redis.GetSubscriber().SubscribeAsync(new RedisChannel(RankingKeys.StatusChannel, RedisChannel.PatternMode.Literal), (_, hint) => watch._inRedis.TryAdd(((string)hint!).Split(' ')[0], Now));
        return watch;
    }

    /// <summary>Whether each of these orders has been seen everywhere.</summary>
    public bool HasSeen(IEnumerable<string> orders) => orders.All(id => _inKafka.ContainsKey(id) && _inRedis.ContainsKey(id) && _inClickHouse.ContainsKey(id));

    /// <summary>From the recording of an order's first event in PostgreSQL until it was seen, by store. An order that was not seen there is left out: the count tells.</summary>
    public IReadOnlyDictionary<string, Percentiles> Latencies(IReadOnlyCollection<string> orders)
    {
        Percentiles Of(ConcurrentDictionary<string, DateTimeOffset> seen) =>
            Percentiles.Of(orders.Where(id => seen.ContainsKey(id) && _recorded.ContainsKey(id)).Select(id => (seen[id] - _recorded[id]).TotalMilliseconds));
        return new Dictionary<string, Percentiles> { ["Kafka"] = Of(_inKafka), ["Redis"] = Of(_inRedis), ["ClickHouse"] = Of(_inClickHouse) };
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _watching;
        _redis.Dispose();
        _clickHouse.Dispose();
        _ending.Dispose();
    }

    private void WatchKafka(string bootstrapServers, IReadOnlyList<TopicPartitionOffset> ends)
    {
        using var reader = KafkaClients.Reader(bootstrapServers);
        reader.Assign(ends);
        while (!_ending.IsCancellationRequested)
        {
            if (reader.Consume(TimeSpan.FromMilliseconds(50))?.Message is { } message
                && Header(message, Envelope.Sequence) == "1" && UtcTime.TryParse(Header(message, Envelope.RecordedTime), out var recorded))
            {
                var id = Encoding.UTF8.GetString(message.Key);
                _recorded[id] = recorded;
                _inKafka.TryAdd(id, Now);
            }
        }
    }

    private async Task WatchClickHouseAsync()
    {
        try
        {
            for (var plan = await NewestPlanAsync(); true; await Task.Delay(FactsPoll, _ending.Token))
            {
                // plans are numbered as they are inserted
                foreach (var row in await RowsAsync(string.Create(CultureInfo.InvariantCulture, $"SELECT plan, order_id FROM orders_analytics WHERE plan > {plan} AND sequence = 1 FORMAT TSV")))
                {
                    var fields = row.Split('\t');
                    plan = Math.Max(plan, ulong.Parse(fields[0], CultureInfo.InvariantCulture));
                    _inClickHouse.TryAdd(fields[1], Now);
                }
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // the load is over
        }
    }

    private async Task<ulong> NewestPlanAsync() => ulong.Parse((await RowsAsync("SELECT max(plan) FROM orders_analytics FORMAT TSV"))[0], CultureInfo.InvariantCulture);

    private async Task<string[]> RowsAsync(string query)
    {
        using var response = await _clickHouse.PostAsync(new Uri("/?database=analytics", UriKind.Relative), new StringContent(query), _ending.Token);
        return (await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(_ending.Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Header(Message<byte[], byte[]> message, string name) => Encoding.ASCII.GetString(message.Headers.GetLastBytes(name));
}
