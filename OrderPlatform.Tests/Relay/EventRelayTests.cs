using System.Net;
using Npgsql;
using OrderPlatform.Api.Operations;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Relay;

namespace OrderPlatform.Tests.Relay;

/// <summary>The relay as a process, in both modes, on a PostgreSQL database and a broker of each test's own.</summary>
public sealed class EventRelayTests(EngineFixture engines) : IAsyncLifetime
{
    private RelayBed _bed = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _bed = await RelayBed.CreateAsync(engines);

    public ValueTask DisposeAsync() => _bed.DisposeAsync();

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task Publishes_the_very_bytes_of_the_log_in_a_CloudEvents_envelope(RelayMode mode)
    {
        await using var relay = _bed.Relay(mode);
        await _bed.AppendAsync("o-1", 1);
        using var published = new PublishedEvents(_bed.Kafka);

        published.Until(read => read["o-1"].Any());

        var record = published.All.Single();
        await using var logged = await _bed.Database.Source.CreateCommand("SELECT event_id::text, payload FROM event_log").ExecuteReaderAsync(Cancellation);
        await logged.ReadAsync(Cancellation);
        record.Message.Value.ShouldBe(logged.GetFieldValue<byte[]>(1));
        PublishedEvents.Header(record, Envelope.Id).ShouldBe(logged.GetString(0));
        PublishedEvents.Header(record, Envelope.SpecVersion).ShouldBe("1.0");
        PublishedEvents.Header(record, Envelope.Type).ShouldBe("OrderCreated.v1");
        PublishedEvents.Header(record, Envelope.Source).ShouldBe("/orderplatform/order");
        PublishedEvents.Header(record, Envelope.Subject).ShouldBe("o-1");
        PublishedEvents.Header(record, Envelope.DataSchema).ShouldBe("urn:orderplatform:schema:OrderCreated.v1");
        PublishedEvents.Header(record, Envelope.ContentType).ShouldBe("application/json");
        UtcTime.TryParse(PublishedEvents.Header(record, Envelope.Time), out _).ShouldBeTrue();
        UtcTime.TryParse(PublishedEvents.Header(record, Envelope.RecordedTime), out _).ShouldBeTrue();
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task Killed_again_and_again_it_loses_and_reverses_nothing(RelayMode mode)
    {
        const int Keys = 20;
        const int PerKey = 60;
        var writing = Task.Run(async () =>
        {
            for (var sequence = 1; sequence <= PerKey; sequence++)
            {
                for (var key = 0; key < Keys; key++)
                {
                    await _bed.AppendAsync($"o-{key}", sequence);
                }
            }
        }, Cancellation);
        using var published = new PublishedEvents(_bed.Kafka);
        for (var kill = 1; kill <= 6; kill++)
        {
            await using var relay = _bed.Relay(mode, ("Relay__BatchSize", "7"), ("Relay__LeaseTimeout", "00:00:00.500"));
            published.More(20, unless: writing);
            await relay.KillAsync();
        }
        await writing;
        await using var last = _bed.Relay(mode);

        published.Until(read => Enumerable.Range(0, Keys).All(key => read[$"o-{key}"].Contains(PerKey)));

        published.WithoutRepeats().Values.ShouldAllBe(sequences => sequences.SequenceEqual(Enumerable.Range(1, PerKey)));
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task A_killed_holder_is_replaced_without_waiting_for_its_lease_to_run_out(RelayMode mode)
    {
        (string, string) longLease = ("Relay__LeaseTimeout", "00:01:00");
        await using var first = _bed.Relay(mode, longLease);
        await _bed.AppendAsync("o-1", 1);
        using var published = new PublishedEvents(_bed.Kafka);
        published.Until(read => read["o-1"].Contains(1));
        await using var second = _bed.Relay(mode, longLease);
        await RelayBed.EventuallyAsync(async () => (await second.HealthAsync(Cancellation))?.Text.Contains("standing by", StringComparison.Ordinal) == true, "the second relay standing by");

        await first.KillAsync();
        await _bed.AppendAsync("o-1", 2);

        published.Until(read => read["o-1"].Contains(2));
        (await EpochAsync()).ShouldBe(2);
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task A_stopped_holder_is_replaced_within_seconds_and_writes_nothing_when_it_wakes(RelayMode mode)
    {
        await using var first = _bed.Relay(mode);
        await _bed.AppendAsync("o-1", 1);
        using var published = new PublishedEvents(_bed.Kafka);
        published.Until(read => read["o-1"].Contains(1));
        await using var second = _bed.Relay(mode);

        ProcessTree.Signal(first.Id, "STOP");
        await _bed.AppendAsync("o-1", 2);
        published.Until(read => read["o-1"].Contains(2));
        var epoch = await EpochAsync();
        ProcessTree.Signal(first.Id, "CONT");
        await _bed.AppendAsync("o-1", 3);
        published.Until(read => read["o-1"].Contains(3));

        epoch.ShouldBe(2);
        published.WithoutRepeats()["o-1"].ShouldBe([1, 2, 3]);
        await RelayBed.EventuallyAsync(async () => (await first.HealthAsync(Cancellation))?.Text.Contains("standing by", StringComparison.Ordinal) == true, "the first relay standing by");
        (await EpochAsync()).ShouldBe(2);
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task An_event_that_is_too_large_parks_its_key_and_others_flow(RelayMode mode)
    {
        await using var relay = _bed.Relay(mode, ("Relay__MaxEventBytes", "20000"));
        await _bed.AppendAsync("large", 1);
        await _bed.AppendAsync("large", 2, lines: 400);
        await _bed.AppendAsync("large", 3);
        await _bed.AppendAsync("small", 1);
        using var published = new PublishedEvents(_bed.Kafka);

        published.Until(read => read["small"].Any());

        await RelayBed.EventuallyAsync(async () => await _bed.ScalarAsync("SELECT count(*) FROM dead_letter WHERE consumer = 'relay' AND key = 'large'") is 2L, "two parked events");
        published.Until(read => read["small"].Any());
        published.WithoutRepeats()["large"].ShouldBe([1]);
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task An_event_that_the_broker_refuses_parks_its_key_before_anything_later_of_it_is_published(RelayMode mode)
    {
        await _bed.LimitRecordsAsync(Topics.OrderEvents, bytes: 8_000);
        await _bed.AppendAsync("large", 1);
        await _bed.AppendAsync("large", 2, lines: 4000);
        foreach (var sequence in Enumerable.Range(3, 8))
        {
            await _bed.AppendAsync("large", sequence);
        }
        await _bed.AppendAsync("small", 1);
        await using var relay = _bed.Relay(mode, ("Relay__BatchSize", "2"));
        using var published = new PublishedEvents(_bed.Kafka);

        published.Until(read => read["small"].Any());

        await RelayBed.EventuallyAsync(async () => await _bed.ScalarAsync("SELECT count(*) FROM dead_letter WHERE consumer = 'relay' AND key = 'large'") is 9L, "nine parked events");
        published.WithoutRepeats()["large"].ShouldBe([1]);
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task A_parked_event_is_redriven_smaller_or_discarded_and_its_key_goes_on_in_order(RelayMode mode)
    {
        await using var relay = _bed.Relay(mode, ("Relay__MaxEventBytes", "20000"));
        foreach (var key in (string[])["mended", "given-up"])
        {
            await _bed.AppendAsync(key, 1);
            await _bed.AppendAsync(key, 2, lines: 400);
            await _bed.AppendAsync(key, 3);
        }
        await RelayBed.EventuallyAsync(async () => await _bed.ScalarAsync("SELECT string_agg(state, ' ' ORDER BY id) FROM dead_letter WHERE key = 'mended'") is "failed waiting", "the parked events");
        await using var connection = await _bed.Database.Source.OpenConnectionAsync(Cancellation);
        await RedriveAsync(connection, "mended", edited: null);
        await RelayBed.EventuallyAsync(async () => await _bed.ScalarAsync("SELECT attempts FROM dead_letter WHERE key = 'mended' AND state = 'failed'") is 2, "the second refusal");

        await RedriveAsync(connection, "mended", "{\"smaller\":true}"u8.ToArray());
        await DeadLetterStore.DiscardAsync(connection, await FirstAsync(connection, "given-up"), "olivia", "too large for anybody", Cancellation);

        using var published = new PublishedEvents(_bed.Kafka);
        published.Until(read => read["mended"].Contains(3) && read["given-up"].Contains(3));
        published.WithoutRepeats()["mended"].ShouldBe([1, 2, 3]);
        published.WithoutRepeats()["given-up"].ShouldBe([1, 3]);
        published.All.Single(record => record.Message.Key == "mended" && PublishedEvents.Header(record, Envelope.Sequence) == "2").Message.Value.ShouldBe("{\"smaller\":true}"u8.ToArray());
        await RelayBed.EventuallyAsync(async () => await _bed.ScalarAsync("SELECT string_agg(state, ' ' ORDER BY key, id) FROM dead_letter") is "discarded redriven redriven redriven", "closed letters");
        // the key is free
        await _bed.AppendAsync("mended", 4);
        published.Until(read => read["mended"].Contains(4));
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task While_Kafka_is_away_health_is_red_and_events_wait_and_then_come_in_order(RelayMode mode)
    {
        await using var relay = _bed.Relay(mode, ("Relay__StallBound", "00:00:02"));
        await _bed.AppendAsync("o-1", 1);
        using (var before = new PublishedEvents(_bed.Kafka))
        {
            before.Until(read => read["o-1"].Contains(1));
        }
        await _bed.KillKafkaAsync();
        for (var sequence = 2; sequence <= 50; sequence++)
        {
            await _bed.AppendAsync("o-1", sequence);
        }
        await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("Nothing could be published", StringComparison.Ordinal), "health that is red");
        await _bed.RestartKafkaAsync();
        using var published = new PublishedEvents(_bed.Kafka);

        published.Until(read => read["o-1"].Contains(50));

        published.WithoutRepeats()["o-1"].ShouldBe(Enumerable.Range(1, 50));
        await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.OK, _), "health that is well again");
    }

    [Theory]
    [InlineData(RelayMode.Polling)]
    [InlineData(RelayMode.Cdc)]
    public async Task A_writer_that_stays_open_degrades_health_by_name_and_holds_up_nobody(RelayMode mode)
    {
        await using var relay = _bed.Relay(mode, ("Relay__StallBound", "00:00:02"));
        await _bed.AppendAsync("o-1", 1);
        using var published = new PublishedEvents(_bed.Kafka);
        published.Until(read => read["o-1"].Contains(1));
        await using var holder = NpgsqlDataSource.Create(_bed.Database.ConnectionString + ";Application Name=the-holder");
        await using var connection = await holder.OpenConnectionAsync(Cancellation);
        await using var held = await connection.BeginTransactionAsync(Cancellation);
        await using (var writes = new NpgsqlCommand("SELECT pg_current_xact_id()", connection))
        {
            await writes.ExecuteScalarAsync(Cancellation);
        }

        await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.OK, var text)
            && text.Contains("Degraded", StringComparison.Ordinal) && text.Contains($"process {connection.ProcessID} of PostgreSQL (the-holder)", StringComparison.Ordinal), "health that names the holder");
        await _bed.AppendAsync("o-1", 2);
        published.Until(read => read["o-1"].Contains(2));
        await held.RollbackAsync(Cancellation);
        await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.OK, var text) && !text.Contains("Degraded", StringComparison.Ordinal), "health that is well again");
    }

    [Fact]
    public async Task A_checkpoint_of_another_cluster_is_refused_and_said()
    {
        await _bed.Database.ExecuteAsync("INSERT INTO relay_checkpoint (name, system_identifier, from_snapshot, position) VALUES ('relay', 1, '9999:9999:', 0)", Cancellation);
        await using var relay = _bed.Relay(RelayMode.Polling);

        await RelayBed.EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("another PostgreSQL cluster", StringComparison.Ordinal), "the refusal");
    }

    private static async Task RedriveAsync(NpgsqlConnection connection, string key, byte[]? edited) =>
        await DeadLetterStore.RedriveAsync(connection, await FirstAsync(connection, key), edited, "olivia", "made smaller", Cancellation);

    private static async Task<DeadLetter> FirstAsync(NpgsqlConnection connection, string key) =>
        (await DeadLetterStore.ListAsync(connection, new DeadLetterFilter("relay", null, key, DeadLetterState.Failed), long.MaxValue, 1, Cancellation)).Single();

    private async Task<long> EpochAsync() => (long)(await _bed.ScalarAsync("SELECT epoch FROM relay_lease WHERE name = 'relay'"))!;
}
