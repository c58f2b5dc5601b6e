using System.Net;
using System.Text;
using Npgsql;
using OrderPlatform.Contracts;

namespace OrderPlatform.Tests.Relay.Tables;

/// <summary>Snapshots while rows change: whatever happens to them, a consumer that takes each record in its order has the rows of the table.</summary>
public sealed class TableSnapshotTests(EngineFixture engines)
{
    private const int Products = 3000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_first_start_under_writers_publishes_the_tables_as_they_were_and_what_came_after_without_a_gap()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, Products + 1); // the last one is no writer's: it has stock, and cannot be deleted
        await bed.ExecuteAsync($"INSERT INTO stock VALUES ('p-{Products + 1:000000}', 1, 0, 1)");
        await using (new ProductWriters(bed.Database, products: Products))
        {
            await using var relay = bed.Relay(("Relay__SnapshotChunk", "100"));
            await bed.PublishedAsync();
        }
        await using var last = bed.Relay();
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        var read = (await bed.RecordsAsync(CapturedTables.Products)).Concat(await bed.RecordsAsync(CapturedTables.Stock)).Where(record => TablesBed.Op(record) == "r").Select(record => (string)TablesBed.Value(record)["source"]!["snapshot"]!).ToList();
        read.Count(marker => marker == "first").ShouldBe(1);
        read.Count(marker => marker == "last_in_data_collection").ShouldBe(1);
        read.Count(marker => marker == "last").ShouldBe(1);
        read.ShouldNotContain("incremental");
    }

    [Fact]
    public async Task Killed_in_the_middle_of_the_first_snapshot_it_goes_on_where_it_was_and_overwrites_nothing_newer()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, Products);
        await using (new ProductWriters(bed.Database, products: Products))
        {
            for (var round = 0; round < 3; round++)
            {
                var before = await AfterAsync(bed);
                await using var relay = bed.Relay(("Relay__SnapshotChunk", "5"), ("Relay__LeaseTimeout", "00:00:00.500"));
                await RelayBed.EventuallyAsync(async () => string.CompareOrdinal(await AfterAsync(bed), before) > 0, "a chunk");
                await relay.KillAsync();
            }
            (await AfterAsync(bed)).ShouldNotBeEmpty("the kills came too late to show anything");
            await using var last = bed.Relay(("Relay__SnapshotChunk", "500"));
            await bed.PublishedAsync();
        }
        await using var end = bed.Relay();
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        (await bed.RecordsAsync(CapturedTables.Products)).ShouldContain(record => TablesBed.Op(record) == "r" && (string)TablesBed.Value(record)["source"]!["snapshot"]! == "incremental");
    }

    [Fact]
    public async Task A_table_is_read_again_on_a_signal_while_its_rows_change()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, Products);
        await using var relay = bed.Relay(("Relay__SnapshotChunk", "50"));
        await bed.PublishedAsync();
        await using (new ProductWriters(bed.Database, products: Products))
        {
            await bed.SignalAsync(CapturedTables.Products);
            await bed.PublishedAsync();
            await bed.SignalAsync(CapturedTables.Products);
            await bed.PublishedAsync();
        }
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        (await bed.RecordsAsync(CapturedTables.Products)).Count(record => TablesBed.Op(record) == "r" && (string)TablesBed.Value(record)["source"]!["snapshot"]! == "incremental").ShouldBeGreaterThan(Products);
    }

    [Fact]
    public async Task No_snapshot_takes_a_row_back_however_often_it_is_read()
    {
        const int Hot = 60;
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, Hot);
        await using var relay = bed.Relay(("Relay__SnapshotChunk", "20"));
        await bed.PublishedAsync();
        await using (new ProductWriters(bed.Database, Hot, onlyUpdates: true))
        {
            for (var read = 1; read <= 5; read++)
            {
                await bed.SignalAsync(CapturedTables.Products);
                await bed.PublishedAsync();
            }
        }
        await bed.PublishedAsync();

        var records = (await bed.RecordsAsync(CapturedTables.Products)).Where(record => record.Message.Value is not null).ToList();
        records.Count(record => TablesBed.Op(record) == "r").ShouldBeGreaterThan(4 * Hot);
        foreach (var key in records.GroupBy(record => Encoding.UTF8.GetString(record.Message.Key), record => (int)TablesBed.Value(record)["after"]!["version"]!))
        {
            key.AsEnumerable().ShouldBe(key.Order(), key.Key);
        }
    }

    [Fact]
    public async Task A_row_whose_commit_waits_for_a_standby_is_not_overwritten_by_what_a_snapshot_still_sees()
    {
        await using var bed = new TablesBed(await RelayBed.WithOwnPostgresAsync(engines));
        // everybody else's commits wait for nobody
        await bed.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET synchronous_commit = local");
        bed.Database.Source.Clear();
        const int Rows = 500;
        await bed.ProductsAsync(1, Rows);
        await using (var first = bed.Relay(("Relay__SnapshotChunk", "1")))
        {
            await bed.PublishedAsync();
            await bed.SignalAsync(CapturedTables.Products);
            await RelayBed.EventuallyAsync(async () => await AfterAsync(bed) != "", "a snapshot that is under way");
            await first.KillAsync();
        }
        await SetStandbyAsync(bed, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "nobody");
        await using var writer = await bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using var waits = new NpgsqlCommand($"SET synchronous_commit = on; UPDATE products SET version = 2 WHERE id = 'p-{Rows:000000}'", writer);
        var committing = waits.ExecuteNonQueryAsync(Cancellation);
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") is 1L, "a commit that waits");

        await using var relay = bed.Relay(("Relay__SnapshotChunk", $"{Rows}"), ("Relay__LeaseTimeout", "00:00:10"));
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%indisprimary%' AND state = 'idle' AND state_change < now() - interval '500 ms'") is > 0L, "the next chunk to wait");
        (await bed.RecordsAsync(CapturedTables.Products)).ShouldNotContain(record => TablesBed.Op(record) == "u", "published before PostgreSQL shows it");
        committing.IsCompleted.ShouldBeFalse();
        await SetStandbyAsync(bed, "ALTER SYSTEM RESET synchronous_standby_names", "");
        await committing;
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
    }

    [Fact]
    public async Task A_signal_that_cannot_be_done_is_said_and_stops_nothing()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await using var relay = bed.Relay();
        await bed.StreamsAsync();
        await bed.SignalAsync("customer_keys");
        await bed.ProductsAsync(1, 1);
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        relay.Output.ShouldContain("public.customer_keys is not among the captured tables");
        relay.Output.ShouldNotContain("stopped");
    }

    [Fact]
    public async Task A_slot_that_was_lost_is_said_and_made_good_with_the_deletes_that_nobody_told()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, 300);
        await using (bed.Relay(("Relay__SnapshotChunk", "50")))
        {
            await bed.PublishedAsync();
        }
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{bed.Slot}' AND active") is 0L, "a slot that nobody reads");
        await bed.ExecuteAsync($"SELECT pg_drop_replication_slot('{bed.Slot}')");
        await bed.ExecuteAsync("DELETE FROM products WHERE id > 'p-000100' AND id <= 'p-000200'; UPDATE products SET price = price + 1, version = 2 WHERE id <= 'p-000050'");
        await bed.ProductsAsync(301, 350);

        await using var next = bed.Relay(("Relay__SnapshotChunk", "50"));
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        var told = (await bed.RecordsAsync(CapturedTables.Products)).Where(record => TablesBed.Op(record) == "d").ToList();
        told.Count.ShouldBe(100);
        told.ShouldAllBe(record => string.CompareOrdinal(Encoding.UTF8.GetString(record.Message.Key), "{\"id\":\"p-000100\"}") > 0);
        next.Output.ShouldContain("was there and is Missing");
        await RelayBed.EventuallyAsync(async () => await next.HealthAsync(Cancellation) is (HttpStatusCode.OK, var text) && text.Contains($"Slot {bed.Slot} was lost", StringComparison.Ordinal) && text.Contains("deletes of the rows that went meanwhile", StringComparison.Ordinal), "the loss in /health");
    }

    [Fact]
    public async Task Turned_off_it_leaves_no_slot_that_would_keep_WAL_and_on_again_it_misses_nothing()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ProductsAsync(1, 10);
        await using (bed.Relay())
        {
            await bed.PublishedAsync();
        }
        await using (bed.Relay(("Relay__Tables", "false")))
        {
            await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{bed.Slot}'") is 0L, "no slot");
            await bed.ExecuteAsync("DELETE FROM products WHERE id = 'p-000001'");
        }
        await using var next = bed.Relay();
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        next.Output.ShouldNotContain("was there and is");
    }

    private static async Task SetStandbyAsync(TablesBed bed, string set, string expected)
    {
        await bed.ExecuteAsync(set);
        await bed.ExecuteAsync("SELECT pg_reload_conf()");
        await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync("SELECT current_setting('synchronous_standby_names')") as string == expected, "the setting");
    }

    private static async Task<string> AfterAsync(TablesBed bed) =>
        await bed.Bed.ScalarAsync("SELECT after_key[1] FROM table_snapshot WHERE table_name = 'public.products' AND phase = 'rows'") as string ?? "";
}
