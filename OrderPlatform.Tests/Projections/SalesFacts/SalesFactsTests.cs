using OrderPlatform.Contracts.Events;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.SalesFacts;

namespace OrderPlatform.Tests.Projections.SalesFacts;

/// <summary>Facts into ClickHouse exactly once, whatever breaks off (docs/decisions/0007).</summary>
public sealed class SalesFactsTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_fact_sent_twice_changes_nothing_and_a_missing_one_is_alarmed()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "twice");
        var facts = Facts.OfOrders(0, 300);
        await store.PublishAsync([.. facts, .. facts]);
        await store.CatchUpAsync();
        await store.PublishAsync(facts);
        await store.CatchUpAsync();

        (await store.TotalsAsync()).ShouldBe(Expected(facts));
        store.Warnings.ShouldBeEmpty();

        await store.PublishAsync((facts[0].Fact, 9));
        await store.CatchUpAsync();
        store.Warnings.ShouldHaveSingleItem().ShouldEndWith("went from sequence 3 to 9: events in between are missing");
    }

    [Theory]
    [InlineData(WriteStep.LookedUp)]
    [InlineData(WriteStep.Recorded)]
    [InlineData(WriteStep.Inserted)]
    [InlineData(WriteStep.Finished)]
    public async Task A_crash_after_any_step_is_made_good_by_the_next_process(WriteStep step)
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "crash_" + step.ToString().ToLowerInvariant());
        var facts = Facts.OfOrders(0, 200);
        await store.PublishAsync(facts);
        await CrashAsync(store, step);
        await store.PublishAsync(Facts.OfOrders(200, 10));

        await store.CatchUpAsync();

        (await store.TotalsAsync()).ShouldBe(Expected([.. facts, .. Facts.OfOrders(200, 10)]));
        store.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(WriteStep.Recorded)]
    [InlineData(WriteStep.Inserted)]
    [InlineData(WriteStep.Finished)]
    public async Task A_failure_after_any_step_is_made_good_by_the_same_process(WriteStep step)
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "failure_" + step.ToString().ToLowerInvariant());
        var facts = Facts.OfOrders(0, 200);
        await store.PublishAsync(facts);
        var failures = 0;

        await store.CatchUpAsync(store.Sink(reached =>
        {
            if (reached == step && failures++ == 0)
            {
                throw new IOException("as if the connection broke");
            }
        }));

        failures.ShouldBeGreaterThan(0);
        (await store.TotalsAsync()).ShouldBe(Expected(facts));
    }

    [Fact]
    public async Task An_insert_that_comes_after_five_hundred_others_changes_nothing()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "late");
        var facts = Facts.OfOrders(0, 20).ToList();
        await store.PublishAsync(facts);
        using var goOn = new ManualResetEventSlim();
        var stalled = store.Sink(reached =>
        {
            if (reached == WriteStep.Recorded)
            {
                goOn.Wait(Cancellation);
            }
        });
        await stalled.ResumeAsync(store.Partitions, Cancellation);
        var late = Task.Run(() => stalled.WriteAsync(store.Read(), Cancellation), Cancellation);
        await Eventually.TrueAsync(() => store.ScalarAsync("SELECT count(*) FROM sales_facts_plan WHERE pending IS NOT NULL").GetAwaiter().GetResult() is 1L, TimeSpan.FromSeconds(10), () => "no plan", Cancellation);

        var successor = store.Sink();
        await successor.ResumeAsync(store.Partitions, Cancellation);
        var others = Enumerable.Range(1000, 500).Select(Facts.Placed).ToList();
        await store.PublishAsync(others);
        foreach (var record in store.Read().Skip(0).Where(record => others.Exists(other => other.Fact.OrderId == record.Key)))
        {
            await successor.WriteAsync([record], Cancellation);
        }
        goOn.Set();
        await late;

        (await store.TotalsAsync()).ShouldBe(Expected([.. facts, .. others]));
        ((long)(await store.ScalarAsync("SELECT number FROM sales_facts_plan"))!).ShouldBe(501);
        store.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("sales_daily")]
    [InlineData("orders_by_status")]
    public async Task A_token_that_a_kill_left_without_data_is_noticed_and_all_is_built_again(string torn)
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "torn_" + torn);
        var facts = Facts.OfOrders(0, 100);
        await store.PublishAsync(facts);
        await CrashAsync(store, WriteStep.Inserted);
        // the rows go, the token stays: the same insert will be dropped
        await store.ClickHouseAsync($"ALTER TABLE {torn} DELETE WHERE 1 SETTINGS mutations_sync = 2");

        await store.CatchUpAsync();

        (await store.TotalsAsync()).ShouldBe(Expected(facts));
        store.Warnings.ShouldHaveSingleItem().ShouldContain("rebuilt from the beginning");
    }

    [Fact]
    public async Task Facts_that_ClickHouse_lost_are_noticed_without_new_ones_and_built_again()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "lost");
        var facts = Facts.OfOrders(0, 100);
        await store.PublishAsync(facts);
        var emptied = 0;
        // the process dies in the middle of the rebuild, too
        using var consumer = await store.StartAsync(store.Sink(step =>
        {
            if (step == WriteStep.Emptied && emptied++ == 0)
            {
                throw new IOException("as if the process died");
            }
        }));
        await store.CaughtUpAsync();

        await store.ClickHouseAsync("TRUNCATE TABLE orders_analytics");

        await Eventually.TrueAsync(() => emptied > 1, TimeSpan.FromSeconds(20), () => "no rebuild", Cancellation);
        await store.CaughtUpAsync();
        (await store.TotalsAsync()).ShouldBe(Expected(facts));
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Two_consumers_share_the_partitions_and_hand_them_over_without_a_trace()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "two");
        var facts = Facts.OfOrders(0, 1500);
        using var first = await store.StartAsync(store.Sink());
        await store.PublishAsync([.. facts.Take(1000)]);
        using var second = await store.StartAsync(store.Sink());
        await store.PublishAsync([.. facts.Skip(1000).Take(1000)]);
        await store.CaughtUpAsync();
        await first.StopAsync(Cancellation);
        await store.PublishAsync([.. facts.Skip(2000)]);
        await store.CaughtUpAsync();
        await second.StopAsync(Cancellation);

        (await store.TotalsAsync()).ShouldBe(Expected(facts));
        store.Warnings.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_consumer_whose_partitions_went_to_another_writes_nothing()
    {
        await using var store = await SalesFactsStore.CreateAsync(engines, "stale");
        await store.PublishAsync(Facts.OfOrders(0, 20));
        var stale = store.Sink();
        await stale.ResumeAsync(store.Partitions, Cancellation);
        await store.CatchUpAsync();

        await Should.ThrowAsync<ProgressLostException>(() => stale.WriteAsync(store.Read(), Cancellation));

        (await store.TotalsAsync()).ShouldBe(Expected(Facts.OfOrders(0, 20)));
    }

    private static string Expected(IEnumerable<(SalesFact Fact, int Sequence)> facts) => SalesFactsStore.TotalsOf([.. facts.Select(fact => fact.Fact)]);

    private static async Task CrashAsync(SalesFactsStore store, WriteStep step)
    {
        var sink = store.Sink(reached =>
        {
            if (reached == step)
            {
                throw new IOException("as if the process died");
            }
        });
        await sink.ResumeAsync(store.Partitions, Cancellation);
        await Should.ThrowAsync<IOException>(() => sink.WriteAsync(store.Read(), Cancellation));
    }
}
