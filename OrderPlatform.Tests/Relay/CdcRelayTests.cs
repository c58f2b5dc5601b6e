using System.Net;
using Npgsql;
using OrderPlatform.Relay;

namespace OrderPlatform.Tests.Relay;

/// <summary>What can happen to the stream and its slot: each ends with every event published, once repeats are dropped, and in order.</summary>
public sealed class CdcRelayTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_first_start_publishes_what_was_there_before_the_slot_and_what_came_after()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await AppendAsync(bed, 1, 40);
        await using var relay = bed.Relay(RelayMode.Auto, ("Relay__BatchSize", "7"));
        await bed.SlotEventuallyAsync();

        await AppendAsync(bed, 41, 80);

        Published(bed, 80);
        (await HealthAsync(relay, "publishing by CDC")).ShouldContain($"Slot {bed.Database.Name} (reserved)");
    }

    [Fact]
    public async Task While_an_old_transaction_keeps_the_slot_from_being_made_polling_publishes_and_health_names_it()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var holder = await bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using var held = await holder.BeginTransactionAsync(Cancellation);
        await using (var writes = new NpgsqlCommand("SELECT pg_current_xact_id()", holder))
        {
            await writes.ExecuteScalarAsync(Cancellation);
        }
        await using var relay = bed.Relay(RelayMode.Cdc);

        await AppendAsync(bed, 1, 20);
        Published(bed, 20);
        await HealthAsync(relay, "publishing by polling");
        await HealthAsync(relay, $"process {holder.ProcessID} of PostgreSQL");
        await held.RollbackAsync(Cancellation);
        await bed.SlotEventuallyAsync("confirmed_flush_lsn IS NOT NULL");
        await AppendAsync(bed, 21, 40);

        Published(bed, 40);
        await HealthAsync(relay, "publishing by CDC");
    }

    [Fact]
    public async Task An_old_transaction_holds_up_nobody_once_the_slot_is_there()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc);
        await HealthAsync(relay, "publishing by CDC");
        await using var holder = await bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using var held = await holder.BeginTransactionAsync(Cancellation);
        await using (var writes = new NpgsqlCommand("SELECT pg_current_xact_id()", holder))
        {
            await writes.ExecuteScalarAsync(Cancellation);
        }

        await AppendAsync(bed, 1, 20);

        Published(bed, 20);
    }

    [Fact]
    public async Task Changes_of_the_mode_lose_nothing_and_polling_leaves_no_slot_that_would_keep_WAL()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        var last = 0;
        foreach (var mode in (RelayMode[])[RelayMode.Cdc, RelayMode.Polling, RelayMode.Cdc, RelayMode.Polling])
        {
            await using var relay = bed.Relay(mode);
            if (mode == RelayMode.Cdc)
            {
                await CheckpointOfSlotAsync(bed);
            }
            await AppendAsync(bed, last + 1, last + 25);
            Published(bed, last += 25);
            (await bed.ScalarAsync("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).ShouldBe(mode == RelayMode.Cdc ? 1L : 0L);
        }
    }

    [Fact]
    public async Task A_slot_that_was_dropped_is_said_and_its_events_come_from_the_log()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using (var relay = bed.Relay(RelayMode.Cdc))
        {
            await AppendAsync(bed, 1, 20);
            Published(bed, 20);
            await CheckpointOfSlotAsync(bed);
        }
        await bed.Database.ExecuteAsync($"SELECT pg_drop_replication_slot('{bed.Database.Name}')", Cancellation);
        await AppendAsync(bed, 21, 40);

        await using var next = bed.Relay(RelayMode.Cdc);

        Published(bed, 40);
        await HealthAsync(next, $"Slot {bed.Database.Name} was lost");
        next.Output.ShouldContain("was there and is Missing");
    }

    [Fact]
    public async Task A_slot_that_PostgreSQL_gave_up_is_said_and_its_events_come_from_the_log()
    {
        await using var bed = await RelayBed.WithOwnPostgresAsync(engines, "max_slot_wal_keep_size=1MB", "max_wal_size=32MB", "min_wal_size=32MB");
        await using (var relay = bed.Relay(RelayMode.Cdc))
        {
            await AppendAsync(bed, 1, 20);
            Published(bed, 20);
            await CheckpointOfSlotAsync(bed);
        }
        await AppendAsync(bed, 21, 40);
        await bed.Database.ExecuteAsync("CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)", Cancellation);
        await bed.Database.ExecuteAsync("SELECT pg_switch_wal()", Cancellation);
        await bed.Database.ExecuteAsync("CHECKPOINT", Cancellation);
        await bed.SlotEventuallyAsync("wal_status = 'lost'");

        await using var next = bed.Relay(RelayMode.Cdc);

        Published(bed, 40);
        await HealthAsync(next, $"Slot {bed.Database.Name} was lost");
        next.Output.ShouldContain("was there and is Lost");
        await bed.SlotEventuallyAsync("active AND wal_status = 'reserved'");
    }

    [Fact]
    public async Task A_WAL_sender_that_is_killed_is_replaced_and_goes_on_from_the_position()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc);
        for (var round = 0; round < 4; round++)
        {
            await bed.SlotEventuallyAsync();
            var appending = AppendAsync(bed, (round * 20) + 1, (round * 20) + 20);
            await bed.Database.ExecuteAsync($"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{bed.Database.Name}'", Cancellation);
            await appending;
        }

        Published(bed, 80);
        relay.Output.ShouldNotContain("was there and is");
    }

    [Fact]
    public async Task PostgreSQL_killed_and_restarted_the_stream_goes_on_from_the_position()
    {
        await using var bed = await RelayBed.WithOwnPostgresAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc);
        for (var round = 0; round < 2; round++)
        {
            await AppendAsync(bed, (round * 40) + 1, (round * 40) + 40);
            await bed.SlotEventuallyAsync();
            await bed.KillPostgresAsync();
            await bed.RestartPostgresAsync();
        }
        await AppendAsync(bed, 81, 100);

        Published(bed, 100);
        relay.Output.ShouldNotContain("was there and is");
    }

    [Fact]
    public async Task A_transaction_that_is_told_while_it_runs_comes_whole_and_in_its_place()
    {
        const int Large = 3000;
        await using var bed = await RelayBed.CreateAsync(engines);
        await bed.Database.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET logical_decoding_work_mem = '64kB'", Cancellation);
        await using var relay = bed.Relay(RelayMode.Cdc, ("Relay__BatchSize", "100"));
        await bed.SlotEventuallyAsync("confirmed_flush_lsn IS NOT NULL AND active");
        await using var writer = await bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using var transaction = await writer.BeginTransactionAsync(Cancellation);
        await LargeAsync(writer, 1, Large);
        await transaction.SaveAsync("here", Cancellation);
        await LargeAsync(writer, Large + 1, 2 * Large);
        await transaction.RollbackAsync("here", Cancellation);
        await AppendAsync(bed, 1, 5);
        await transaction.SaveAsync("there", Cancellation);
        await LargeAsync(writer, Large + 1, 2 * Large);
        Published(bed, 5);
        await transaction.CommitAsync(Cancellation);
        await using (var undone = await writer.BeginTransactionAsync(Cancellation))
        {
            await LargeAsync(writer, (2 * Large) + 1, 3 * Large);
        }
        await AppendAsync(bed, 6, 10);

        using var published = new PublishedEvents(bed.Kafka);
        published.Until(read => read["large"].Contains(2 * Large) && read["o-1"].Contains(10));
        published.WithoutRepeats()["large"].ShouldBe(Enumerable.Range(1, 2 * Large));
        published.Sequences()["large"].Count().ShouldBe(2 * Large, "nothing failed, so nothing is repeated");
        await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync($"SELECT stream_count FROM pg_stat_replication_slots WHERE slot_name = '{bed.Database.Name}'") is > 0L, "changes told before their commit");
    }

    [Fact]
    public async Task Killed_within_a_large_transaction_it_goes_on_behind_the_last_event()
    {
        const int Large = 20_000;
        await using var bed = await RelayBed.CreateAsync(engines);
        await bed.Database.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET logical_decoding_work_mem = '64kB'", Cancellation);
        await using (var relay = bed.Relay(RelayMode.Cdc, ("Relay__BatchSize", "50"), ("Relay__LeaseTimeout", "00:00:00.500")))
        {
            await bed.SlotEventuallyAsync();
            await using (var writer = await bed.Database.Source.OpenConnectionAsync(Cancellation))
            {
                await LargeAsync(writer, 1, Large);
            }
            await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync("SELECT ordinal FROM relay_checkpoint") is > 0L, "a position within the transaction");
            await relay.KillAsync();
        }
        var done = (int)(long)(await bed.ScalarAsync("SELECT ordinal FROM relay_checkpoint"))!;

        await using var next = bed.Relay(RelayMode.Cdc);
        using var published = new PublishedEvents(bed.Kafka);
        published.Until(read => read["large"].Contains(Large));

        published.WithoutRepeats()["large"].ShouldBe(Enumerable.Range(1, Large));
        done.ShouldBeLessThan(Large, "the kill came too late to show anything");
        published.Sequences()["large"].Count(sequence => sequence <= done).ShouldBe(done, "what the position covers is not repeated");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)] // told while it runs, and read from the log itself
    public async Task What_waits_for_a_standby_is_published_once_PostgreSQL_shows_it(int events)
    {
        await using var bed = await RelayBed.WithOwnPostgresAsync(engines);
        // everybody else's commits wait for nobody
        await bed.Database.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET logical_decoding_work_mem = '64kB'; ALTER DATABASE {bed.Database.Name} SET synchronous_commit = local", Cancellation);
        bed.Database.Source.Clear();
        await using var relay = bed.Relay(RelayMode.Cdc, ("Relay__LeaseTimeout", "00:00:10"), ("Relay__StallBound", "00:00:02"));
        await bed.SlotEventuallyAsync("confirmed_flush_lsn IS NOT NULL AND active");
        await SetStandbyAsync(bed, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "nobody");
        await using var writer = await bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using (var waits = new NpgsqlCommand("SET synchronous_commit = on", writer))
        {
            await waits.ExecuteNonQueryAsync(Cancellation);
        }
        var committing = LargeAsync(writer, 1, events);
        await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync($"SELECT count(*) FROM pg_stat_activity WHERE pid = {writer.ProcessID} AND wait_event = 'SyncRep'") is 1L, "a commit that waits");
        await bed.AppendAsync("o-behind", 1);
        using var published = new PublishedEvents(bed.Kafka);
        await RelayBed.EventuallyAsync(async () =>
        {
            published.Until(_ => true);
            return published.All.Count > 0 || (await relay.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("wait for a synchronous standby", StringComparison.Ordinal));
        }, "the relay to say what it waits for");
        published.All.ShouldBeEmpty("published before PostgreSQL shows it");
        committing.IsCompleted.ShouldBeFalse();
        await SetStandbyAsync(bed, "ALTER SYSTEM RESET synchronous_standby_names", "");
        await committing;

        published.Until(read => read["large"].Contains(events) && read["o-behind"].Contains(1));
        published.WithoutRepeats()["large"].ShouldBe(Enumerable.Range(1, events));
    }

    [Fact]
    public async Task An_idle_slot_moves_on_with_the_heartbeats()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc);
        await CheckpointOfSlotAsync(bed);
        await bed.Database.ExecuteAsync("CREATE TABLE elsewhere AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)", Cancellation);
        var written = (string)(await bed.ScalarAsync("SELECT pg_current_wal_lsn()::text"))!;

        await bed.SlotEventuallyAsync($"confirmed_flush_lsn > '{written}'");
    }

    [Fact]
    public async Task A_slot_is_kept_on_standbys_where_that_is_set()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc, ("Relay__SlotFailover", "true"));
        await bed.SlotEventuallyAsync("failover AND active");

        await AppendAsync(bed, 1, 20);

        Published(bed, 20);
    }

    [Fact]
    public async Task A_slot_of_another_database_is_left_alone_and_said()
    {
        await using var bed = await RelayBed.CreateAsync(engines);
        await using var other = await RelayBed.CreateAsync(engines);
        await using var relay = bed.Relay(RelayMode.Cdc);
        await bed.SlotEventuallyAsync();

        await using var stranger = other.Relay(RelayMode.Cdc, ("Relay__Slot", bed.Database.Name));

        await RelayBed.EventuallyAsync(async () => await stranger.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("belongs to another database", StringComparison.Ordinal), "the refusal");
        await AppendAsync(bed, 1, 20);
        Published(bed, 20);
    }

    private static async Task SetStandbyAsync(RelayBed bed, string set, string expected)
    {
        await bed.Database.ExecuteAsync(set, Cancellation);
        await bed.Database.ExecuteAsync("SELECT pg_reload_conf()", Cancellation);
        await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync("SELECT current_setting('synchronous_standby_names')") as string == expected, "the setting");
    }

    private static async Task AppendAsync(RelayBed bed, int first, int last)
    {
        for (var sequence = first; sequence <= last; sequence++)
        {
            await bed.AppendAsync("o-1", sequence);
        }
    }

    private static void Published(RelayBed bed, int last)
    {
        using var published = new PublishedEvents(bed.Kafka);
        published.Until(read => read["o-1"].Contains(last));
        published.WithoutRepeats()["o-1"].ShouldBe(Enumerable.Range(1, last));
    }

    private static async Task LargeAsync(NpgsqlConnection connection, int first, int last)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, payload)
            SELECT 'order/large', sequence, gen_random_uuid(), 'OrderCreated.v1', 'order.events', 'large', now(), convert_to(repeat('x', 100), 'UTF8') FROM generate_series($1, $2) AS sequence
            """,
            connection)
        {
            Parameters = { new() { Value = first }, new() { Value = last } },
        };
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private static Task CheckpointOfSlotAsync(RelayBed bed) =>
        RelayBed.EventuallyAsync(async () => await bed.ScalarAsync("SELECT slot FROM relay_checkpoint") is string, "a checkpoint that the slot goes on from");

    private static async Task<string> HealthAsync(RelayProcess relay, string says)
    {
        var text = "";
        await RelayBed.EventuallyAsync(async () => (text = (await relay.HealthAsync(Cancellation))?.Text ?? "").Contains(says, StringComparison.Ordinal), $"health that says {says}; it says {text}");
        return text;
    }
}
