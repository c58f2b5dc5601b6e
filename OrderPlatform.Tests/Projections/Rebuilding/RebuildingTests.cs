using System.Net;
using System.Text.Json.Nodes;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Tests.Api;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Projections.Rebuilding;

/// <summary>Rebuilds on a whole platform, while orders flow and processes are killed (docs/decisions/0012).</summary>
public sealed class RebuildingTests(RebuildingPlatform platform, EngineFixture engines) : IClassFixture<RebuildingPlatform>, IAsyncLifetime
{
    private const int Seed = 12;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);

    private readonly RebuildingPlatform _platform = platform;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(client => _platform.PlaceAsync(Seed + client, orders: 40, cancels: true, Cancellation)));
        await _platform.AgreeAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Stores_that_were_tampered_with_are_right_afterwards_and_no_reader_sees_the_swap()
    {
        await TamperAsync();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var load = _platform.PlaceAsync(Seed, int.MaxValue, cancels: false, enough.Token);
        Task[] readers = [.. Readers().Select(reader => ReadAsync(reader, enough.Token))];
        foreach (var projection in RebuildableProjections.All)
        {
            var rebuild = await _platform.RebuildAsync(projection);

            ((string)rebuild["state"]!).ShouldBe("done", rebuild.ToString());
            ((bool)rebuild["comparison"]!["equal"]!).ShouldBeFalse(projection);
            rebuild["comparison"]!["live"].ShouldNotBeNull(projection);
            ((int)rebuild["progress"]!["percent"]!).ShouldBe(100);
            ((long)rebuild["progress"]!["eventsPerSecond"]!).ShouldBePositive();
            ((string)rebuild["source"]!).ShouldBe("kafka");
        }
        await enough.CancelAsync();
        await Task.WhenAll([load, .. readers]);
        await _platform.KillAsync("clickhouse");
        await _platform.AgreeAsync();

        foreach (var projection in RebuildableProjections.All)
        {
            var compared = await _platform.RebuildAsync(projection, onlyCompare: true);

            ((bool)compared["comparison"]!["equal"]!).ShouldBeTrue(compared.ToString());
        }
        (await _platform.ClickHouseAsync("SELECT count() FROM system.databases WHERE name LIKE '%rebuild%'")).ShouldBe("0");
        (await _platform.ViewsAsync("SELECT to_regclass('order_view_rebuild')::text")).ShouldBe(DBNull.Value);
        (await _platform.ViewsAsync("SELECT count(*) FROM projection_progress WHERE projection LIKE '%#%' OR partition < 0")).ShouldBe(0L);
        (await _platform.ViewsAsync("SELECT count(*) FROM pg_indexes WHERE tablename = 'order_view'")).ShouldBe(5L);
    }

    [Fact]
    public async Task A_process_that_is_killed_at_any_moment_is_taken_over_from()
    {
        var random = new Random(Seed);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var load = _platform.PlaceAsync(Seed, int.MaxValue, cancels: true, enough.Token);
        List<string> rebuilds = [];
        foreach (var projection in RebuildableProjections.All)
        {
            rebuilds.Add(await _platform.RequestAsync(projection));
        }
        for (var kill = 0; kill < 3; kill++)
        {
            await Task.Delay(random.Next(300, 1500), Cancellation);
            await _platform.KillAsync("projections");
        }
        await _platform.KillAsync("redis");
        foreach (var id in rebuilds)
        {
            ((string)(await _platform.EndOfAsync(id))["state"]!).ShouldBe("done");
        }
        await enough.CancelAsync();
        await load;

        await _platform.AgreeAsync();
        _platform.Output.ShouldNotContain("events in between are missing");
    }

    [Fact]
    public async Task A_reset_feeds_again_what_a_store_has_lost_and_doubles_nothing()
    {
        await _platform.ViewsAsync("DELETE FROM order_view WHERE ctid IN (SELECT ctid FROM order_view LIMIT 20)");
        foreach (var (projection, from) in new[] { ("order-view", """ "offset":0 """), ("rankings", """ "time":"2020-01-01T00:00:00Z" """), ("sales-facts", """ "offset":1 """) })
        {
            using var response = await _platform.Api.SendAsync(OrderRequests.Post($"/operations/projections/{projection}/reset", $$"""{"reason":"test",{{from}}}"""), Cancellation);
            response.StatusCode.ShouldBe(HttpStatusCode.Accepted);
            var reset = await _platform.EndOfAsync((string)(await response.ReadObjectAsync())["id"]!);
            ((string)reset["state"]!).ShouldBe("done");
            ((string)reset["kind"]!).ShouldBe("reset");
        }

        await _platform.PlaceAsync(Seed, orders: 20, cancels: true, Cancellation);
        await _platform.AgreeAsync();
    }

    [Fact]
    public async Task A_rebuild_that_breaks_off_after_any_step_is_taken_up_where_it_was()
    {
        await using var rebuilds = await InterruptedRebuilds.CreateAsync(_platform, engines);
        foreach (var projection in RebuildableProjections.All)
        {
            foreach (var step in Enum.GetValues<RebuildStep>())
            {
                var comparison = await rebuilds.RunAsync(projection, step);

                ((bool)comparison["equal"]!).ShouldBeTrue($"{projection} after {step}: {comparison}");
            }
        }
        await _platform.PlaceAsync(Seed, orders: 20, cancels: true, Cancellation);
        await _platform.AgreeAsync();
    }

    private async Task TamperAsync()
    {
        await _platform.ViewsAsync("UPDATE order_view SET total_amount = total_amount + 1 WHERE ctid IN (SELECT ctid FROM order_view LIMIT 20)");
        using var redis = await ConnectionMultiplexer.ConnectAsync((string)_platform.Run["redis"]!);
        var generation = (string)(await redis.GetDatabase().HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        await redis.GetDatabase().SortedSetIncrementAsync(RankingKeys.Ranking(generation, RankingKeys.In(RankingKeys.Customers, "USD"), RankingKeys.All), "c-1", -10_000);
        await _platform.ClickHouseAsync("ALTER TABLE sales_daily UPDATE revenue = revenue + 1 WHERE 1 SETTINGS mutations_sync = 2");
    }

    // how many orders each reader sees: never fewer than before, since none is cancelled meanwhile
    private IEnumerable<Func<Task<long>>> Readers() =>
    [
        async () => (await _platform.Api.GetObjectAsync("/orders/search?q=usd&limit=200"))["items"]!.AsArray().Count,
        async () => (long)(await _platform.ViewsAsync("SELECT count(*) FROM order_view"))!,
        async () => (await _platform.Api.GetObjectAsync("/analytics/rankings/customers?limit=100"))["rows"]!.AsArray().Sum(row => (long)row!["orders"]!),
        async () => (await _platform.Api.GetObjectAsync("/analytics/live"))["today"]!.AsArray().Sum(row => (long)row!["orders"]!),
        async () => (await _platform.Api.GetObjectAsync("/analytics/sales?grain=day"))["rows"]!.AsArray().Sum(row => (long)row!["orders"]!),
        async () => long.Parse(await _platform.ClickHouseAsync("SELECT sum(orders) FROM orders_analytics")),
    ];

    private static async Task ReadAsync(Func<Task<long>> reader, CancellationToken enough)
    {
        for (var before = 1L; !enough.IsCancellationRequested;)
        {
            await Task.Delay(Pace, CancellationToken.None);
            var now = await reader();
            now.ShouldBeGreaterThanOrEqualTo(before);
            before = now;
        }
    }
}
