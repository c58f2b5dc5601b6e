using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using OrderPlatform.Api.Rankings;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Redis;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.Rankings;
using StackExchange.Redis;
using Order = OrderPlatform.Api.Orders.Order;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.Rankings;

/// <summary>A Redis of one test, and the projection on it, driven as the consuming runtime drives it.</summary>
internal sealed class RankingsInRedis : IAsyncDisposable
{
    private static readonly IReadOnlyList<TopicPartition> Partitions = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(Topics.OrderEvents, partition))];

    private readonly string _folder;
    private readonly RunningEngine _engine;
    private readonly ConnectionMultiplexer _connection;

    private RankingsInRedis(string folder, RunningEngine engine, ConnectionMultiplexer connection)
    {
        _folder = folder;
        _engine = engine;
        _connection = connection;
        Projection = NewProjection();
    }

    public static DateTimeOffset Now { get; } = TimeProvider.System.GetUtcNow();

    public RankingsProjection Projection { get; private set; }

    public IConnectionMultiplexer Connection => _connection;

    public IDatabase Database => _connection.GetDatabase();

    public ISubscriber Subscriber => _connection.GetSubscriber();

    public RankingReader Reader => new(_connection);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<RankingsInRedis> StartAsync(string folder)
    {
        var engine = await RunningEngine.StartAsync(new RedisEngine(), folder, 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
        var connection = await ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", engine.Port } }, AllowAdmin = true, ConnectRetry = 1, SyncTimeout = 10_000 });
        return new RankingsInRedis(folder, engine, connection);
    }

    public RankingsProjection NewProjection(IConnectionMultiplexer? connection = null) => new(connection ?? _connection, new ClockAt(Now), NullLogger<RankingsProjection>.Instance);

    public Task<int> KillAsync() => _engine.Process.KillAsync();

    public async Task<RankingsInRedis> RestartAsync()
    {
        await DisposeAsync();
        return await StartAsync(_folder);
    }

    public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(RankingsProjection? projection = null) => (projection ?? Projection).ResumeAsync(Partitions, Cancellation);

    public Task CaughtUpAsync(params IEnumerable<int> partitions) => Projection.CaughtUpAsync([.. partitions.Select(partition => Partitions[partition])], Now, Cancellation);

    /// <summary>Takes up where the store is and writes what is left, in batches of a random size.</summary>
    public async Task WriteAllAsync(IReadOnlyList<Record> records, Random random)
    {
        var progress = await ResumeAsync();
        var left = records.Where(record => record.Source.Offset.Value >= progress[record.Source.TopicPartition]).ToList();
        for (var done = 0; done < left.Count;)
        {
            var batch = left.Skip(done).Take(random.Next(1, 200)).ToList();
            await Projection.WriteAsync(batch, Cancellation);
            done += batch.Count;
        }
    }

    /// <summary>Leaves behind what a kill -9 can leave of a write: the plan, and the first of its commands.</summary>
    public async Task WriteCutOffAsync(IReadOnlyList<Record> batch, int kept)
    {
        var cutOff = NewProjection(CutOff.After(kept, _connection));
        await ResumeAsync(cutOff);
        await cutOff.WriteAsync(batch, Cancellation);
    }

    /// <summary>Compares every ranking, and every order's status, with what the orders say when each is looked at.</summary>
    public async Task ShouldEqualAsync(IReadOnlyCollection<Order> orders)
    {
        var today = DateOnly.FromDateTime(Now.UtcDateTime);
        var days = Enumerable.Range(0, 30).Select(back => today.AddDays(-back)).ToList();
        foreach (var currency in (string[])["USD", "EUR", "CHF"])
        {
            await ShouldRankAsync(orders, currency, [RankingKeys.All], _ => true);
            await ShouldRankAsync(orders, currency, [RankingKeys.Day(today)], day => day == today);
            await ShouldRankAsync(orders, currency, [.. days.Select(RankingKeys.Day)], days.Contains);
        }
        foreach (var month in orders.GroupBy(order => RankingKeys.Month(DateOnly.FromDateTime(order.CreatedAt.UtcDateTime))))
        {
            var totals = month.Where(order => order.Status != OrderStatus.Cancelled).GroupBy(order => order.Currency)
                .Select(currency => new RankingRow(currency.Key, currency.Sum(order => order.TotalAmount), currency.Count()));
            (await Reader.TopAsync(RankingKeys.Totals, [month.Key], 10, Cancellation)).Rows.ShouldBe(totals, ignoreOrder: true);
        }
        (await Reader.TopAsync(RankingKeys.Statuses, [RankingKeys.All], 10, Cancellation)).Rows.Select(row => (row.Id, row.Orders))
            .ShouldBe(orders.GroupBy(order => order.Status.ToString()).Select(status => (status.Key, (long)status.Count())), ignoreOrder: true);
        var generation = (string)(await Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        var entries = await Database.StringGetAsync([.. orders.Select(order => (RedisKey)RankingKeys.Order(generation, order.Id))]);
        entries.Select(entry => CachedStatus.Parse(entry)).Select(entry => (entry?.Sequence, entry?.Status)).ShouldBe(orders.Select(order => ((int?)order.Version, (OrderStatus?)order.Status)));
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.CloseAsync(allowCommandsToComplete: false); // this may be the thread that reads its answers: to wait for one would take the time-out
        _connection.Dispose();
        await _engine.DisposeAsync();
    }

    private async Task ShouldRankAsync(IReadOnlyCollection<Order> orders, string currency, IReadOnlyList<string> windows, Func<DateOnly, bool> within)
    {
        var counted = orders.Where(order => order.Status != OrderStatus.Cancelled && order.Currency == currency && within(DateOnly.FromDateTime(order.CreatedAt.UtcDateTime))).ToList();
        var products = counted.SelectMany(order => order.Items, (order, item) => (Id: item.ProductId, OrderId: order.Id, item.Amount)).ToList();
        var customers = counted.Select(order => (Id: order.CustomerId, OrderId: order.Id, Amount: order.TotalAmount)).ToList();
        await ShouldRankAsync(RankingKeys.Products, currency, windows, products);
        await ShouldRankAsync(RankingKeys.Customers, currency, windows, customers);
    }

    private async Task ShouldRankAsync(string kind, string currency, IReadOnlyList<string> windows, List<(string Id, string OrderId, decimal Amount)> lines)
    {
        const int Limit = 8; // cuts some ties in two
        var expected = lines.GroupBy(line => line.Id)
            .Select(group => new RankingRow(group.Key, group.Sum(line => line.Amount), group.Select(line => line.OrderId).Distinct().Count()))
            .OrderByDescending(row => row.Revenue).ThenBy(row => row.Id, StringComparer.Ordinal).Take(Limit);
        var actual = await Reader.TopAsync(RankingKeys.In(kind, currency), windows, Limit, Cancellation);
        actual.Rows.ShouldBe(expected, $"{kind} in {currency} over {windows.Count} windows from {windows[0]}");
    }

    private sealed class ClockAt(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
