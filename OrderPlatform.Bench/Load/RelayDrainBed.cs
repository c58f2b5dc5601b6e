using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Setup;

namespace OrderPlatform.Bench.Load;

/// <summary>Engines of the benchmark's own with a full event log, which can be drained again and again: from its beginning, and from copies of a slot that stands before it.</summary>
internal sealed class RelayDrainBed : IAsyncDisposable
{
    /// <summary>As orders write it: small transactions.</summary>
    public const int EventsPerTransaction = 10;

    private const string FirstSlot = "bench_first";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(1);

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("orderplatform-bench-relay-");
    private int _slots;

    private RelayDrainBed()
    {
    }

    public RunningEngine Postgres { get; private set; } = null!;

    public RunningEngine Kafka { get; private set; } = null!;

    public NpgsqlDataSource Source { get; private set; } = null!;

    /// <summary>Of the database with the event log.</summary>
    public string ConnectionString { get; private set; } = "";

    public static async Task<RelayDrainBed> CreateAsync(int events, CancellationToken cancellation)
    {
        var bed = new RelayDrainBed();
        try
        {
            await bed.StartAsync(cancellation);
            // the slot is made by the relay itself, and stays where it is: before everything
            await using (bed.StartRelay(RelayMode.Cdc, FirstSlot))
            {
                await bed.UntilAsync("SELECT slot IS NOT NULL FROM relay_checkpoint", cancellation);
            }
            await bed.FillAsync(events, cancellation);
            return bed;
        }
        catch
        {
            await bed.DisposeAsync();
            throw;
        }
    }

    public ChildProcess StartRelay(RelayMode mode, string slot) => ChildProcess.Start(
        "relay",
        ChildCommand.DotNet(typeof(RelayOptions).Assembly.Location, "--urls", $"http://127.0.0.1:{LoopbackPort.Free()}") with
        {
            Environment = new Dictionary<string, string>
            {
                ["ConnectionStrings__orders"] = ConnectionString, ["ConnectionStrings__kafka"] = Kafka.Address, ["Relay__Mode"] = $"{mode}", ["Relay__Slot"] = slot,
            },
        },
        Console.Error.WriteLine);

    /// <summary>A slot that tells the whole backlog.</summary>
    public async Task<string> SlotAsync(CancellationToken cancellation)
    {
        var slot = $"bench_{++_slots}";
        await ExecuteAsync($"SELECT pg_copy_logical_replication_slot('{FirstSlot}', '{slot}')", cancellation);
        return slot;
    }

    /// <summary>Ends a slot's use.</summary>
    public Task DropAsync(string slot, CancellationToken cancellation) =>
        ExecuteAsync($"SELECT pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'", cancellation);

    /// <summary>Makes the whole backlog unpublished: for the slot's stream, or for polling when there is none.</summary>
    public Task RewindAsync(string? slot, CancellationToken cancellation) => ExecuteAsync(
        slot is null ? "DELETE FROM relay_checkpoint"
            : $"""
            INSERT INTO relay_checkpoint (name, system_identifier, from_snapshot, position, slot, commit_lsn, ordinal)
            SELECT 'relay', system_identifier, pg_current_snapshot(), 0, '{slot}', '0/0', 0 FROM pg_control_system()
            ON CONFLICT (name) DO UPDATE SET from_snapshot = excluded.from_snapshot, to_snapshot = NULL, position = 0, slot = excluded.slot, commit_lsn = excluded.commit_lsn, ordinal = 0
            """,
        cancellation);

    /// <summary>Empties Kafka, so that no round finds more there than the one before.</summary>
    public async Task EmptyKafkaAsync(CancellationToken cancellation)
    {
        using (var admin = KafkaClients.Admin(Kafka.Address))
        {
            await admin.DeleteTopicsAsync([Topics.OrderEvents]);
        }
        await KafkaTopics.EnsureAsync(Kafka.Address, replicationFactor: 1);
        await ExecuteAsync("CHECKPOINT", cancellation); // what is written behind is written now, not while the next one is measured
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in (IAsyncDisposable?[])[Source, Kafka, Postgres])
        {
            await (engine?.DisposeAsync() ?? default);
        }
        _data.Delete(recursive: true);
    }

    private async Task StartAsync(CancellationToken cancellation)
    {
        // the first slot keeps all WAL of the backlog
        var folder = Path.Combine(_data.FullName, "postgres");
        Postgres = await RunningEngine.StartAsync(new PostgresEngine(settings: "max_slot_wal_keep_size=-1"), folder, 0, _ => { }, cancellation);
        Kafka = await RunningEngine.StartAsync(new KafkaEngine(), Path.Combine(_data.FullName, "kafka"), 0, _ => { }, cancellation);
        await KafkaTopics.EnsureAsync(Kafka.Address, replicationFactor: 1);
        ConnectionString = PostgresEngine.ConnectionString(folder, Postgres.Port, "orders");
        await PostgresDatabases.EnsureAsync(ConnectionString, cancellation);
        await PostgresMigrations.ApplyAsync(ConnectionString, "orders", cancellation);
        Source = NpgsqlDataSource.Create(ConnectionString);
    }

    // payloads of some hundred bytes, a key for each event
    private async Task FillAsync(int events, CancellationToken cancellation)
    {
        await using var connection = await Source.OpenConnectionAsync(cancellation);
        foreach (var statement in (string[])["SET synchronous_commit = off", FillStatement(events)]) // one by one: a COMMIT within DO is refused in a batch
        {
            await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancellation);
        }
        // autovacuum would do this at some moment of its own
        await ExecuteAsync("VACUUM ANALYZE event_log", cancellation);
    }

    private static string FillStatement(int events) =>
        $$"""
        DO $fill$
        BEGIN
            FOR transaction IN 1 .. {{events / EventsPerTransaction}} LOOP
                INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload)
                SELECT 'order/' || id, 1, gen_random_uuid(), 'OrderCreated.v1', 'order.events', id, now(), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00',
                    convert_to('{"orderId":"' || id || '","lines":"' || md5(id) || md5(id || 1) || md5(id || 2) || md5(id || 3) || repeat('-order-line', 20) || '"}', 'UTF8')
                FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, {{EventsPerTransaction}})) AS ids;
                COMMIT;
            END LOOP;
        END $fill$
        """;

    private async Task ExecuteAsync(string sql, CancellationToken cancellation)
    {
        await using var command = Source.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task UntilAsync(string condition, CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Bound);
        await using var command = Source.CreateCommand(condition);
        try
        {
            while (await command.ExecuteScalarAsync(bound.Token) is not true)
            {
                await Task.Delay(Poll, bound.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new BenchException("The relay does not start: its log above says why.");
        }
    }
}
