using System.Collections.Concurrent;
using OrderPlatform.Contracts;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Consuming;
using StackExchange.Redis;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.Rankings;

public sealed class RankingsProjectionTests : IDisposable
{
    private const int Seed = 20_261_120;

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(Seed);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Ranks_as_the_orders_themselves_do_in_every_window_kind_and_currency()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 1500, RankingsInRedis.Now);

        await rankings.WriteAllAsync(history.Records(), _random);

        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task Every_event_sent_again_twice_changes_no_number()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 300, RankingsInRedis.Now);

        await rankings.WriteAllAsync(history.Records(times: 3), _random);

        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task Kill_nine_at_any_moment_loses_and_doubles_nothing()
    {
        var history = new OrderHistory(Seed, orders: 4000, RankingsInRedis.Now);
        var records = history.Records();
        var rankings = await StartAsync();
        for (var kill = 0; kill < 12; kill++)
        {
            var writing = WriteUntilKilledAsync(rankings, records);
            await Task.WhenAny(writing, Task.Delay(_random.Next(5, 150), Cancellation));
            await rankings.KillAsync();
            await writing;
            rankings = await rankings.RestartAsync();
        }

        await rankings.WriteAllAsync(records, _random);

        await rankings.ShouldEqualAsync(history.Orders);
        await rankings.DisposeAsync();
    }

    [Fact]
    public async Task A_write_cut_off_after_any_of_its_commands_is_finished_when_it_is_taken_up()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 40, RankingsInRedis.Now);
        var records = history.Records();
        for (var kept = 0; ; kept += 1 + (kept / 3))
        {
            await rankings.Database.ExecuteAsync("FLUSHALL");
            await rankings.ResumeAsync();
            await rankings.Projection.WriteAsync(records.Take(20).ToList(), Cancellation);
            await rankings.WriteCutOffAsync(records.Skip(20).ToList(), kept);
            var cut = (await rankings.Database.HashGetAsync(RankingKeys.State, RankingKeys.Plan)) != "";

            await rankings.WriteAllAsync(records, _random);

            await rankings.ShouldEqualAsync(history.Orders);
            if (!cut)
            {
                kept.ShouldBeGreaterThan(10);
                return;
            }
        }
    }

    [Fact]
    public async Task A_store_that_was_emptied_is_built_again()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 200, RankingsInRedis.Now);
        var records = history.Records();
        await rankings.WriteAllAsync(records, _random);

        await rankings.Database.ExecuteAsync("FLUSHALL");

        await Should.ThrowAsync<ProgressLostException>(() => rankings.Projection.WriteAsync(records.TakeLast(1).ToList(), Cancellation));
        await Should.ThrowAsync<ProgressLostException>(() => rankings.CaughtUpAsync(0));
        await rankings.WriteAllAsync(records, _random);
        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task Offsets_without_a_generation_are_of_nothing()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 100, RankingsInRedis.Now);
        // what a FLUSHALL in the middle of a write leaves: the last command of its script
        await rankings.Database.HashSetAsync(RankingKeys.State, [new HashEntry(RankingKeys.Plan, ""), .. Enumerable.Range(0, Topics.Partitions).Select(partition => new HashEntry($"{RankingKeys.Offset}{partition}", "7"))]);

        (await rankings.ResumeAsync()).Values.ShouldAllBe(offset => offset == 0);

        await rankings.WriteAllAsync(history.Records(), _random);
        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task A_store_that_is_emptied_at_any_moment_of_a_write_is_built_again()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 1000, RankingsInRedis.Now);
        var records = history.Records();
        for (var flush = 0; flush < 20; flush++)
        {
            var writing = WriteUntilLostAsync(rankings, records);
            await Task.WhenAny(writing, Task.Delay(_random.Next(5, 60), Cancellation));
            await rankings.Database.ExecuteAsync("FLUSHALL");
            await writing;
        }

        await rankings.WriteAllAsync(records, _random);

        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task Rankings_without_their_progress_are_removed_and_built_again()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 200, RankingsInRedis.Now);
        await rankings.WriteAllAsync(history.Records(), _random);
        var old = (string)(await rankings.Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;

        await rankings.Database.KeyDeleteAsync(RankingKeys.State);
        await rankings.WriteAllAsync(history.Records(), _random);

        await rankings.ShouldEqualAsync(history.Orders);
        (await rankings.Database.KeyExistsAsync(RankingKeys.Ranking(old, RankingKeys.Totals, RankingKeys.All))).ShouldBeFalse();
    }

    [Fact]
    public async Task A_consumer_that_others_have_overtaken_changes_nothing()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 200, RankingsInRedis.Now);
        var records = history.Records();
        var stale = rankings.NewProjection();
        await rankings.ResumeAsync(stale);
        await rankings.WriteAllAsync(records, _random);

        await Should.ThrowAsync<ProgressLostException>(() => stale.WriteAsync(records.Take(100).ToList(), Cancellation));

        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task A_batch_whose_answer_was_lost_is_taken_for_done()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 200, RankingsInRedis.Now);
        var records = history.Records();
        var unanswered = rankings.NewProjection();
        await rankings.ResumeAsync(unanswered);
        await rankings.ResumeAsync();
        await rankings.Projection.WriteAsync(records, Cancellation);

        await unanswered.WriteAsync(records, Cancellation);

        await rankings.ShouldEqualAsync(history.Orders);
    }

    [Fact]
    public async Task Answers_are_complete_once_every_partition_has_caught_up()
    {
        await using var rankings = await StartAsync();
        (await CompleteUntilAsync(rankings)).ShouldBeNull();
        await rankings.ResumeAsync();

        await rankings.CaughtUpAsync(Enumerable.Range(0, Topics.Partitions - 1));
        (await CompleteUntilAsync(rankings)).ShouldBeNull();

        await rankings.CaughtUpAsync(Topics.Partitions - 1);
        (await CompleteUntilAsync(rankings))!.Value.ToUnixTimeMilliseconds().ShouldBe(RankingsInRedis.Now.ToUnixTimeMilliseconds());
    }

    [Fact]
    public async Task Days_expire_and_days_of_long_ago_are_not_kept()
    {
        await using var rankings = await StartAsync();
        var history = new OrderHistory(Seed, orders: 300, RankingsInRedis.Now);
        await rankings.WriteAllAsync(history.Records(), _random);
        var generation = (string)(await rankings.Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        Task<TimeSpan?> Expiry(int daysBack) =>
            rankings.Database.KeyTimeToLiveAsync(RankingKeys.Ranking(generation, RankingKeys.Totals, RankingKeys.Day(DateOnly.FromDateTime(RankingsInRedis.Now.UtcDateTime).AddDays(-daysBack))));

        (await Expiry(0))!.Value.ShouldBeInRange(TimeSpan.FromDays(31), TimeSpan.FromDays(32));
        (await Expiry(29))!.Value.ShouldBeInRange(TimeSpan.FromDays(2), TimeSpan.FromDays(3));
        (await rankings.Database.KeyExistsAsync(RankingKeys.Ranking(generation, RankingKeys.Totals, RankingKeys.Day(DateOnly.FromDateTime(RankingsInRedis.Now.UtcDateTime).AddDays(-400))))).ShouldBeFalse();
    }

    [Fact]
    public async Task Every_new_status_is_announced()
    {
        await using var rankings = await StartAsync();
        var heard = new ConcurrentBag<string>();
        await rankings.Subscriber.SubscribeAsync(new RedisChannel(RankingKeys.StatusChannel, RedisChannel.PatternMode.Literal), (_, message) => heard.Add(message!));
        var history = new OrderHistory(Seed, orders: 20, RankingsInRedis.Now);

        await rankings.WriteAllAsync(history.Records(), _random);

        foreach (var announced in history.Orders.Select(order => $"{order.Id} {order.Version} {order.Status}"))
        {
            await Eventually.TrueAsync(() => heard.Contains(announced), TimeSpan.FromSeconds(5), () => $"{announced} was not heard", Cancellation);
        }
    }

    [Fact]
    public async Task The_announcement_of_a_status_wakes_the_streams_of_its_order()
    {
        await using var rankings = await StartAsync();
        var hints = new OrderHints();
        var woken = hints.Next("o-1");
        var listener = new OrderHintListener(rankings.Connection, hints);
        await listener.StartAsync(Cancellation);

        // the subscription is not waited for
        await Eventually.TrueAsync(
            () => rankings.Subscriber.Publish(new RedisChannel(RankingKeys.StatusChannel, RedisChannel.PatternMode.Literal), "o-1 2 Confirmed") > 0 && woken.IsCompleted, TimeSpan.FromSeconds(5), () => "the stream was not woken", Cancellation);

        await listener.StopAsync(Cancellation);
    }

    private Task<RankingsInRedis> StartAsync() => RankingsInRedis.StartAsync(_folder["redis"]);

    private static async Task<DateTimeOffset?> CompleteUntilAsync(RankingsInRedis rankings) =>
        (await rankings.Reader.TopAsync(RankingKeys.Totals, [RankingKeys.All], 1, Cancellation)).CompleteUntil;

    private async Task WriteUntilLostAsync(RankingsInRedis rankings, List<Record> records)
    {
        try
        {
            await rankings.WriteAllAsync(records, _random);
        }
        catch (ProgressLostException)
        {
            // emptied
        }
    }

    private async Task WriteUntilKilledAsync(RankingsInRedis rankings, List<Record> records)
    {
        try
        {
            await rankings.WriteAllAsync(records, _random);
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            // killed
        }
    }
}
