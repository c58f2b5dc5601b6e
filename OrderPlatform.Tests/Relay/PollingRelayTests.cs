using System.Net;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Operations;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Setup;

namespace OrderPlatform.Tests.Relay;

/// <summary>The relay as a process, on a PostgreSQL database and a broker of each test's own.</summary>
public sealed class PollingRelayTests(EngineFixture engines) : IAsyncLifetime
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();
    private readonly KafkaEngine _broker = new();
    private RunningEngine _kafka = null!;
    private OrdersDatabase _database = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await engines.KafkaClientAsync(Cancellation);
        _kafka = await StartBrokerAsync(0);
        _database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await KafkaTopics.EnsureAsync(_kafka.Address, replicationFactor: 1);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        await _kafka.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Publishes_the_very_bytes_of_the_log_in_a_CloudEvents_envelope()
    {
        await using var relay = RelayProcess.Start(_database, _kafka.Address);
        await AppendAsync("o-1", 1, 1);
        using var published = new PublishedEvents(_kafka.Address);

        published.Until(read => read["o-1"].Any());

        var record = published.All.Single();
        await using var logged = await _database.Source.CreateCommand("SELECT event_id::text, payload FROM event_log").ExecuteReaderAsync(Cancellation);
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

    [Fact]
    public async Task Killed_again_and_again_it_loses_and_reverses_nothing()
    {
        const int Keys = 20;
        const int PerKey = 60;
        var writing = Task.Run(async () =>
        {
            for (var sequence = 1; sequence <= PerKey; sequence++)
            {
                for (var key = 0; key < Keys; key++)
                {
                    await AppendAsync($"o-{key}", sequence, 1);
                }
            }
        }, Cancellation);
        using var published = new PublishedEvents(_kafka.Address);
        for (var kill = 1; kill <= 6; kill++)
        {
            await using var relay = RelayProcess.Start(_database, _kafka.Address, ("Relay__BatchSize", "7"), ("Relay__LeaseTimeout", "00:00:00.500"));
            published.More(20, unless: writing);
            await relay.KillAsync();
        }
        await writing;
        await using var last = RelayProcess.Start(_database, _kafka.Address);

        published.Until(read => Enumerable.Range(0, Keys).All(key => read[$"o-{key}"].Contains(PerKey)));

        published.WithoutRepeats().Values.ShouldAllBe(sequences => sequences.SequenceEqual(Enumerable.Range(1, PerKey)));
    }

    [Fact]
    public async Task A_stopped_holder_is_replaced_within_seconds_and_writes_nothing_when_it_wakes()
    {
        await using var first = RelayProcess.Start(_database, _kafka.Address);
        await AppendAsync("o-1", 1, 1);
        using var published = new PublishedEvents(_kafka.Address);
        published.Until(read => read["o-1"].Contains(1));
        await using var second = RelayProcess.Start(_database, _kafka.Address);

        ProcessTree.Signal(first.Id, "STOP");
        await AppendAsync("o-1", 2, 1);
        published.Until(read => read["o-1"].Contains(2));
        var epoch = await EpochAsync();
        ProcessTree.Signal(first.Id, "CONT");
        await AppendAsync("o-1", 3, 1);
        published.Until(read => read["o-1"].Contains(3));

        epoch.ShouldBe(2);
        published.WithoutRepeats()["o-1"].ShouldBe([1, 2, 3]);
        await EventuallyAsync(async () => (await first.HealthAsync(Cancellation))?.Text.Contains("standing by", StringComparison.Ordinal) == true, "the first relay standing by");
        (await EpochAsync()).ShouldBe(2);
    }

    [Fact]
    public async Task An_event_that_is_too_large_parks_its_key_and_others_flow()
    {
        await using var relay = RelayProcess.Start(_database, _kafka.Address, ("Relay__MaxEventBytes", "20000"));
        await AppendAsync("large", 1, 1);
        await AppendAsync("large", 2, lines: 400);
        await AppendAsync("large", 3, 1);
        await AppendAsync("small", 1, 1);
        using var published = new PublishedEvents(_kafka.Address);

        published.Until(read => read["small"].Any());

        await EventuallyAsync(async () => await ScalarAsync("SELECT count(*) FROM dead_letter WHERE consumer = 'relay' AND key = 'large'") is 2L, "two parked events");
        published.Until(read => read["small"].Any());
        published.WithoutRepeats()["large"].ShouldBe([1]);
    }

    [Fact]
    public async Task A_parked_event_is_redriven_smaller_or_discarded_and_its_key_goes_on_in_order()
    {
        await using var relay = RelayProcess.Start(_database, _kafka.Address, ("Relay__MaxEventBytes", "20000"));
        foreach (var key in (string[])["mended", "given-up"])
        {
            await AppendAsync(key, 1, 1);
            await AppendAsync(key, 2, lines: 400);
            await AppendAsync(key, 3, 1);
        }
        await EventuallyAsync(async () => await ScalarAsync("SELECT string_agg(state, ' ' ORDER BY id) FROM dead_letter WHERE key = 'mended'") is "failed waiting", "the parked events");
        await using var connection = await _database.Source.OpenConnectionAsync(Cancellation);
        await RedriveAsync(connection, "mended", edited: null);
        await EventuallyAsync(async () => await ScalarAsync("SELECT attempts FROM dead_letter WHERE key = 'mended' AND state = 'failed'") is 2, "the second refusal");

        await RedriveAsync(connection, "mended", "{\"smaller\":true}"u8.ToArray());
        await DeadLetterStore.DiscardAsync(connection, await FirstAsync(connection, "given-up"), "olivia", "too large for anybody", Cancellation);

        using var published = new PublishedEvents(_kafka.Address);
        published.Until(read => read["mended"].Contains(3) && read["given-up"].Contains(3));
        published.WithoutRepeats()["mended"].ShouldBe([1, 2, 3]);
        published.WithoutRepeats()["given-up"].ShouldBe([1, 3]);
        published.All.Single(record => record.Message.Key == "mended" && PublishedEvents.Header(record, Envelope.Sequence) == "2").Message.Value.ShouldBe("{\"smaller\":true}"u8.ToArray());
        await EventuallyAsync(async () => await ScalarAsync("SELECT string_agg(state, ' ' ORDER BY key, id) FROM dead_letter") is "discarded redriven redriven redriven", "closed letters");
        // the key is free
        await AppendAsync("mended", 4, 1);
        published.Until(read => read["mended"].Contains(4));
    }

    [Fact]
    public async Task While_Kafka_is_away_events_wait_and_then_come_in_order()
    {
        await using var relay = RelayProcess.Start(_database, _kafka.Address);
        await AppendAsync("o-1", 1, 1);
        using (var before = new PublishedEvents(_kafka.Address))
        {
            before.Until(read => read["o-1"].Contains(1));
        }
        var port = _kafka.Port;
        await _kafka.Process.KillAsync();
        for (var sequence = 2; sequence <= 50; sequence++)
        {
            await AppendAsync("o-1", sequence, 1);
        }
        _kafka = await StartBrokerAsync(port);
        using var published = new PublishedEvents(_kafka.Address);

        published.Until(read => read["o-1"].Contains(50));

        published.WithoutRepeats()["o-1"].ShouldBe(Enumerable.Range(1, 50));
    }

    [Fact]
    public async Task A_checkpoint_of_another_cluster_is_refused_and_said()
    {
        await _database.ExecuteAsync("INSERT INTO relay_checkpoint (name, system_identifier, from_snapshot, position) VALUES ('polling', 1, '9999:9999:', 0)", Cancellation);
        await using var relay = RelayProcess.Start(_database, _kafka.Address);

        await EventuallyAsync(async () => await relay.HealthAsync(Cancellation) is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("another PostgreSQL cluster", StringComparison.Ordinal), "the refusal");
    }

    private Task<RunningEngine> StartBrokerAsync(int port) =>
        RunningEngine.StartAsync(_broker, _folder["kafka"], port, line => TestContext.Current.SendDiagnosticMessage("kafka: {0}", line), Cancellation);

    private async Task AppendAsync(string key, int sequence, int lines)
    {
        var items = Enumerable.Range(0, lines).Select(line => new OrderItem($"a-product-with-a-rather-long-name-{line}", 1, 1m)).ToList();
        await using var connection = await _database.Source.OpenConnectionAsync(Cancellation);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { EventLogWriter.Append(key, sequence, DateTimeOffset.UnixEpoch, Order.Place(key, "c-1", "USD", items, DateTimeOffset.UnixEpoch)) },
        };
        await batch.ExecuteNonQueryAsync(Cancellation);
    }

    private static async Task RedriveAsync(NpgsqlConnection connection, string key, byte[]? edited) =>
        await DeadLetterStore.RedriveAsync(connection, await FirstAsync(connection, key), edited, "olivia", "made smaller", Cancellation);

    private static async Task<DeadLetter> FirstAsync(NpgsqlConnection connection, string key) =>
        (await DeadLetterStore.ListAsync(connection, new DeadLetterFilter("relay", null, key, DeadLetterState.Failed), long.MaxValue, 1, Cancellation)).Single();

    private async Task<long> EpochAsync() => (long)(await ScalarAsync("SELECT epoch FROM relay_lease WHERE name = 'polling'"))!;

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var command = _database.Source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation);
    }

    private static async Task EventuallyAsync(Func<Task<bool>> condition, string what)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!await condition())
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, what);
            await Task.Delay(TimeSpan.FromMilliseconds(50), Cancellation);
        }
    }
}
