using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Tests.Api;
using OrderPlatform.Tests.AppHost;

namespace OrderPlatform.Tests.Relay;

/// <summary>
/// What can happen to the relay's slots, to PostgreSQL and to Kafka while orders flow through the whole platform. Each ends with
/// every order through, and with the platform's own audits clean.
/// </summary>
public sealed class RelayFaultTests(RelayFaultTests.ImpatientPlatform fixture, ITestOutputHelper output) : IClassFixture<RelayFaultTests.ImpatientPlatform>
{
    private const string SlotsOfTheRelay = "slot_name IN ('orderplatform_relay', 'orderplatform_tables')";
    private const string Readers = $"SELECT active_pid::text FROM pg_replication_slots WHERE {SlotsOfTheRelay} AND active_pid IS NOT NULL";

    private readonly SagaPlatform _platform = fixture.Platform;
    private SteadyCustomers _customers = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task Slots_that_are_dropped() => EndsCleanAsync(async () =>
    {
        await WhileTheRelayStandsStillAsync(async () =>
        {
            await _platform.Orders.CreateCommand($"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {SlotsOfTheRelay}").ExecuteNonQueryAsync(Cancellation);
            (await SlotsAsync("true")).ShouldBe(0);
            await _customers.OrderMoreAsync();
        });
        await EventuallyAsync(async () => await SlotsAsync("active AND wal_status = 'reserved'") == 2, "two new slots that are read");
        _platform.Host.Output.ShouldContain("Replication slot orderplatform_relay was there and is Missing");
        _platform.Host.Output.ShouldContain("Replication slot orderplatform_tables was there and is Missing");
    });

    // by their idleness: the host sets max_slot_wal_keep_size on PostgreSQL's command line, over which no setting goes
    [Fact]
    public Task Slots_that_PostgreSQL_gives_up() => EndsCleanAsync(async () =>
    {
        await SetAsync("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'");
        await WhileTheRelayStandsStillAsync(async () =>
        {
            await _customers.OrderMoreAsync();
            await EventuallyAsync(async () =>
            {
                await _platform.Orders.CreateCommand("CHECKPOINT").ExecuteNonQueryAsync(Cancellation);
                return await SlotsAsync("wal_status = 'lost'") == 2;
            }, "two lost slots");
            await SetAsync("ALTER SYSTEM RESET idle_replication_slot_timeout");
        });
        await EventuallyAsync(async () => await SlotsAsync("active AND wal_status = 'reserved'") == 2, "two new slots that are read");
        _platform.Host.Output.ShouldContain("Replication slot orderplatform_relay was there and is Lost");
        _platform.Host.Output.ShouldContain("Replication slot orderplatform_tables was there and is Lost");
    });

    [Fact]
    public Task WAL_senders_that_are_killed() => EndsCleanAsync(async () =>
    {
        for (var round = 0; round < 3; round++)
        {
            var killed = await ReadersAsync(2);
            await _platform.Orders.CreateCommand($"SELECT pg_terminate_backend(pid) FROM unnest('{{{string.Join(',', killed)}}}'::int[]) AS pid").ExecuteNonQueryAsync(Cancellation);
            await EventuallyAsync(async () => await _platform.RowsAsync(Readers) is { Count: 2 } now && !now.Intersect(killed).Any(), "new readers of both slots");
            await _customers.OrderMoreAsync();
        }
    });

    [Fact]
    public Task PostgreSQL_that_is_restarted() => EndsCleanAsync(async () =>
    {
        const string Start = "SELECT pg_postmaster_start_time()::text";
        var before = (await _platform.RowsAsync(Start)).Single();
        ProcessTree.Signal(PidOf("postgres"), "INT");
        await EventuallyAsync(async () => await _platform.RowsAsync(Start) is [['2', '0', ..] now] && now != before, "another start");
        await ReadersAsync(2);
    });

    [Fact]
    public Task Kafka_that_is_away() => EndsCleanAsync(async () =>
    {
        var pid = PidOf("kafka");
        ProcessTree.Signal(pid, "STOP");
        await EventuallyAsync(async () => await RelayHealthAsync() is (HttpStatusCode.ServiceUnavailable, var text) && text.Contains("Nothing could be published", StringComparison.Ordinal), "a relay that says that it stalls");
        await _customers.OrderMoreAsync();
        ProcessTree.Signal(pid, "KILL");
        await EventuallyAsync(() => Task.FromResult(PidOf("kafka") != pid), "another Kafka");
        await EventuallyAsync(async () => (await RelayHealthAsync()).Status == HttpStatusCode.OK, "a healthy relay");
    });

    private async Task EndsCleanAsync(Func<Task> fault)
    {
        var product = await _platform.ProductAsync(1_000_000);
        await using (_customers = new SteadyCustomers(_platform.Api, product))
        {
            await _customers.OrderMoreAsync();
            await fault();
            await _customers.OrderMoreAsync();
        }

        await _platform.SettledAsync();
        await EverythingIsThroughAsync();
        var run = await AuditedAsync();
        output.WriteLine($"{_customers.Orders} orders; {string.Join(", ", run["results"]!.AsArray().Select(result => $"{result!["audit"]} {result["compared"]}"))}");
        ((string)run["state"]!).ShouldBe("clean", $"{run}\n{await _platform.Api.GetObjectAsync($"/audits/{run["id"]}/violations")}\n{_platform.Host.Output}");
    }

    private async Task WhileTheRelayStandsStillAsync(Func<Task> work)
    {
        var relay = PidOf("relay");
        ProcessTree.Signal(relay, "STOP");
        try
        {
            await EventuallyAsync(async () => (await _platform.RowsAsync($"SELECT pg_terminate_backend(active_pid)::text FROM pg_replication_slots WHERE {SlotsOfTheRelay} AND active")).Count == 0, "slots that nobody reads");
            await work();
        }
        finally
        {
            ProcessTree.Signal(relay, "CONT");
        }
    }

    // what was committed until now is published by both slots, and in every store
    private async Task EverythingIsThroughAsync()
    {
        var (now, written) = ((await _platform.RowsAsync("SELECT now()::text")).Single(), (await _platform.RowsAsync("SELECT pg_current_wal_lsn()::text")).Single());
        await EventuallyAsync(async () => await SlotsAsync($"confirmed_flush_lsn > '{written}' AND NOT EXISTS (SELECT FROM table_snapshot)") == 2, "everything published");
        await EventuallyAsync(
            async () => await fixture.Views.CreateCommand($"SELECT count(*) > 0 AND min(complete_until) > '{now}' FROM projection_completeness").ExecuteScalarAsync(Cancellation) is true, "every projection to be complete");
    }

    private async Task<JsonObject> AuditedAsync()
    {
        var (key, path) = (Guid.NewGuid().ToString(), "");
        // the Api's connections to a PostgreSQL that was restarted are still being replaced
        await EventuallyAsync(async () =>
        {
            using var asked = await _platform.Api.SendAsync(OrderRequests.Post("/audits", "{}", key), Cancellation);
            path = asked.Headers.Location?.ToString() ?? "";
            return asked.StatusCode == HttpStatusCode.Accepted;
        }, "a run of audits");
        return await _platform.UntilAsync(path, run => run["finishedAt"] is not null);
    }

    private async Task<long> SlotsAsync(string condition) => (await _platform.RowsAsync($"SELECT slot_name::text FROM pg_replication_slots WHERE {SlotsOfTheRelay} AND {condition}")).Count;

    private async Task<IReadOnlyList<string>> ReadersAsync(int count)
    {
        IReadOnlyList<string> readers = [];
        await EventuallyAsync(async () => (readers = await _platform.RowsAsync(Readers)).Count == count, $"{count} slots that are read");
        return readers;
    }

    private async Task SetAsync(string sql)
    {
        await _platform.Orders.CreateCommand(sql).ExecuteNonQueryAsync(Cancellation);
        await _platform.Orders.CreateCommand("SELECT pg_reload_conf()").ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<(HttpStatusCode Status, string Text)> RelayHealthAsync()
    {
        using var response = await fixture.Relay.GetAsync("/health", Cancellation);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    private int PidOf(string process) => (int)JsonNode.Parse(File.ReadAllText(_platform.Host.RunFile))!["processes"]![process]!;

    private static Task EventuallyAsync(Func<Task<bool>> condition, string what) => RelayBed.EventuallyAsync(condition, what);

    /// <summary>One platform for all the faults. Its relay soon says that it stalls, and its audits expect everything within a second.</summary>
    public sealed class ImpatientPlatform : IAsyncLifetime
    {
        public SagaPlatform Platform { get; } = new() { Settings = { ["Relay__StallBound"] = "00:00:03", ["Auditing__Bound"] = "00:00:01" } };

        public HttpClient Relay { get; private set; } = null!;

        public NpgsqlDataSource Views { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            await Platform.InitializeAsync();
            Relay = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)Platform.RunFile["relay"]!) };
            Views = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder((string)Platform.RunFile["postgres"]!) { Database = "views", Pooling = false }.ConnectionString);
        }

        public async ValueTask DisposeAsync()
        {
            await Views.DisposeAsync();
            Relay.Dispose();
            await Platform.DisposeAsync();
        }
    }
}
