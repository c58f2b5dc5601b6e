using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Projections.Rankings;
using StackExchange.Redis;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.Rankings;

/// <summary>A second generation, built in large batches while Redis is killed, that takes the place of the first.</summary>
public sealed class RankingsShadowTests : IDisposable
{
    private const int Seed = 20_261_120;
    private static readonly IReadOnlyList<TopicPartition> Partitions = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(Topics.OrderEvents, partition))];

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(Seed);
    private readonly Guid _id = Guid.NewGuid();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Kill_nine_at_any_moment_leaves_nothing_that_is_not_made_good_and_the_live_rankings_as_they_were()
    {
        var history = new OrderHistory(Seed, orders: 6000, RankingsInRedis.Now);
        var records = history.Records();
        var live = new OrderHistory(Seed + 1, orders: 50, RankingsInRedis.Now);
        var rankings = await RankingsInRedis.StartAsync(_folder["redis"]);
        await rankings.WriteAllAsync(live.Records(), _random);
        for (var kill = 0; kill < 8; kill++)
        {
            var building = BuildUntilKilledAsync(rankings, records);
            await Task.WhenAny(building, Task.Delay(_random.Next(5, 300), Cancellation));
            await rankings.KillAsync();
            await building;
            rankings = await rankings.RestartAsync();
        }
        await BuildAsync(rankings, records);
        await rankings.ShouldEqualAsync(live.Orders);

        (await (await ShadowAsync(rankings)).TrySwapAsync(_ => Task.CompletedTask, Cancellation)).ShouldBeTrue();

        await rankings.ShouldEqualAsync(history.Orders);
        (await ShadowOf(rankings).IsSwappedAsync(Cancellation)).ShouldBeTrue();
        await ShadowOf(rankings).DropAsync(Cancellation);
        await rankings.ShouldEqualAsync(history.Orders);
        // the live consumer goes on from the shadow's progress: everything is in
        await rankings.WriteAllAsync(records, _random);
        await rankings.ShouldEqualAsync(history.Orders);
        await rankings.DisposeAsync();
    }

    [Fact]
    public async Task A_holder_that_was_overtaken_changes_nothing()
    {
        await using var rankings = await RankingsInRedis.StartAsync(_folder["redis"]);
        var records = new OrderHistory(Seed, orders: 100, RankingsInRedis.Now).Records();
        var stale = BuilderOf(rankings, epoch: 1);
        await stale.ResumeAsync(Partitions, Cancellation);
        var builder = BuilderOf(rankings, epoch: 2);
        await builder.ResumeAsync(Partitions, Cancellation);

        await stale.WriteAsync(records, Cancellation);
        await Should.ThrowAsync<ProgressLostException>(() => stale.FlushAsync(Cancellation));
        await Should.ThrowAsync<ProgressLostException>(() => stale.ResumeAsync(Partitions, Cancellation));
        await builder.WriteAsync(records, Cancellation);
        await builder.FlushAsync(Cancellation);
    }

    [Fact]
    public async Task Nothing_is_written_to_the_live_rankings_while_they_are_held()
    {
        await using var rankings = await RankingsInRedis.StartAsync(_folder["redis"]);
        var history = new OrderHistory(Seed, orders: 50, RankingsInRedis.Now);
        await rankings.ResumeAsync();
        await BuildAsync(rankings, history.Records());

        var swapping = await (await ShadowAsync(rankings)).TrySwapAsync(
            async offsets =>
            {
                offsets.Values.Sum().ShouldBe(0);
                var held = rankings.Projection.WriteAsync([.. history.Records().Take(5)], Cancellation);
                (await Task.WhenAny(held, Task.Delay(200, Cancellation))).ShouldNotBe(held);
                _ = held.ContinueWith(_ => { }, TaskScheduler.Default);
            },
            Cancellation);

        swapping.ShouldBeTrue();
        await rankings.WriteAllAsync(history.Records(), _random);
        await rankings.ShouldEqualAsync(history.Orders);
        (await rankings.Database.KeyExistsAsync(RankingKeys.Hold)).ShouldBeFalse();
    }

    private RankingsShadow ShadowOf(RankingsInRedis rankings) => new(rankings.Connection, TimeProvider.System, NullLogger<RankingsProjection>.Instance, _id, epoch: 1);

    private static RankingsBuilder BuilderOf(RankingsInRedis rankings, long epoch) => new(rankings.Connection, TimeProvider.System, NullLogger.Instance, epoch) { Generation = "shadow" };

    private async Task<RankingsShadow> ShadowAsync(RankingsInRedis rankings)
    {
        var shadow = ShadowOf(rankings);
        await shadow.CreateAsync(Cancellation);
        ((RankingsBuilder)shadow.Sink).SummedEvents = 1500; // so that one part is written while the next is summed up
        return shadow;
    }

    private async Task BuildAsync(RankingsInRedis rankings, List<Record> records)
    {
        var shadow = await ShadowAsync(rankings);
        var progress = await shadow.Sink.ResumeAsync(Partitions, Cancellation);
        var left = records.Where(record => record.Source.Offset.Value >= progress[record.Source.TopicPartition]).ToList();
        for (var done = 0; done < left.Count;)
        {
            var batch = left.Skip(done).Take(_random.Next(1, 2000)).ToList();
            await shadow.Sink.WriteAsync(batch, Cancellation);
            done += batch.Count;
        }
        await shadow.FlushAsync(Cancellation);
    }

    private async Task BuildUntilKilledAsync(RankingsInRedis rankings, List<Record> records)
    {
        try
        {
            await BuildAsync(rankings, records);
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            // killed
        }
    }
}
