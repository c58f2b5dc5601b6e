using System.Net;
using OrderPlatform.Contracts;

namespace OrderPlatform.Tests.Relay.Tables;

/// <summary>What can happen to the publishing of tables while their rows change: a consumer that takes each record in its order has the rows of the table in the end.</summary>
public sealed class TableRelayFaultTests(EngineFixture engines)
{
    private const int Products = 200;
    private const string Epoch = "SELECT epoch FROM relay_lease WHERE name = 'tables'";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_two_relays_one_publishes_and_when_it_is_killed_the_other_goes_on()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        (string, string)[] settings = [("Relay__BatchSize", "20"), ("Relay__LeaseTimeout", "00:00:02")];
        List<RelayProcess> relays = [bed.Relay(settings), bed.Relay(settings)];
        try
        {
            await using (new ProductWriters(bed.Database, Products))
            {
                for (var round = 0; round < 2; round++)
                {
                    await bed.StreamsAsync();
                    var holder = await HolderAsync(bed, relays);
                    var other = relays.Single(relay => relay != holder);
                    await RelayBed.EventuallyAsync(async () => (await other.HealthAsync(Cancellation))?.Text.Contains("standing by", StringComparison.Ordinal) == true, "the other one to stand by");
                    await GoesOnAsync(bed);

                    var epoch = (long)(await bed.Bed.ScalarAsync(Epoch))!;
                    await holder.KillAsync();
                    relays.Remove(holder);
                    await holder.DisposeAsync();
                    relays.Add(bed.Relay(settings));
                    await RelayBed.EventuallyAsync(async () => (long)(await bed.Bed.ScalarAsync(Epoch))! > epoch, "a successor");
                    await GoesOnAsync(bed);
                }
            }
            await bed.PublishedAsync();
            await bed.ShouldHaveProductsAsync();
            await bed.ShouldHaveEveryChangeAsync();
            relays.ForEach(relay => relay.Output.ShouldNotContain("was there and is"));
        }
        finally
        {
            await Task.WhenAll(relays.Select(relay => relay.DisposeAsync().AsTask()));
        }
    }

    [Fact]
    public async Task A_slot_that_PostgreSQL_gave_up_is_said_and_made_good_with_the_deletes_that_nobody_told()
    {
        await using var bed = new TablesBed(await RelayBed.WithOwnPostgresAsync(engines, "max_slot_wal_keep_size=1MB", "max_wal_size=32MB", "min_wal_size=32MB"));
        await bed.ProductsAsync(1, Products);
        await using (bed.Relay())
        {
            await bed.PublishedAsync();
        }
        await bed.ExecuteAsync("DELETE FROM products WHERE id > 'p-000100'; UPDATE products SET price = price + 1, version = 2");
        await bed.ExecuteAsync("CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
        await bed.ExecuteAsync("SELECT pg_switch_wal()");
        await bed.ExecuteAsync("CHECKPOINT");
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{bed.Slot}'") is "lost", "a lost slot");

        await using var next = bed.Relay();
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        (await bed.RecordsAsync(CapturedTables.Products)).Count(record => TablesBed.Op(record) == "d").ShouldBe(Products - 100);
        next.Output.ShouldContain("was there and is Lost");
        await RelayBed.EventuallyAsync(async () => await next.HealthAsync(Cancellation) is (HttpStatusCode.OK, var text) && text.Contains($"Slot {bed.Slot} was lost", StringComparison.Ordinal), "the loss in /health");
    }

    [Fact]
    public async Task While_Kafka_is_away_health_is_red_and_the_changes_wait_in_the_WAL()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await using var relay = bed.Relay(("Relay__BatchSize", "20"), ("Relay__StallBound", "00:00:02"));
        await using (new ProductWriters(bed.Database, Products))
        {
            await bed.StreamsAsync();
            await GoesOnAsync(bed);
            await bed.Bed.KillKafkaAsync();
            await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("Nothing could be published", StringComparison.Ordinal), "red health");
            await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) > 500000 FROM pg_replication_slots WHERE slot_name = '{bed.Slot}'") is true, "WAL that waits");
            await bed.Bed.RestartKafkaAsync();
        }
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        await bed.ShouldHaveEveryChangeAsync();
        relay.Output.ShouldNotContain("was there and is");
        await RelayBed.EventuallyAsync(async () => (await relay.HealthAsync(Cancellation))?.Status == HttpStatusCode.OK, "a healthy relay");
    }

    private static async Task<RelayProcess> HolderAsync(TablesBed bed, IReadOnlyList<RelayProcess> relays)
    {
        var holder = (string)(await bed.Bed.ScalarAsync("SELECT holder FROM relay_lease WHERE name = 'tables'"))!;
        return relays.Single(relay => holder.EndsWith($"{relay.Id}", StringComparison.Ordinal));
    }

    private static async Task GoesOnAsync(TablesBed bed)
    {
        var before = await bed.Bed.ScalarAsync("SELECT pg_wal_lsn_diff(commit_lsn, '0/0')::bigint FROM table_checkpoint");
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT pg_wal_lsn_diff(commit_lsn, '0/0') > {before} + 20000 FROM table_checkpoint") is true, "progress");
    }
}
