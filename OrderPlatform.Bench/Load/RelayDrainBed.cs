using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Setup;

namespace OrderPlatform.Bench.Load;

/// <summary>A full event log that can be drained again and again: from its beginning, and from copies of a slot that stands before it.</summary>
internal sealed class RelayDrainBed : IAsyncDisposable
{
    /// <summary>As orders write it: small transactions.</summary>
    public const int EventsPerTransaction = 10;

    private const string FirstSlot = "bench_first";

    private int _slots;

    private RelayDrainBed(RelayEngines engines) => Engines = engines;

    public RelayEngines Engines { get; }

    public static async Task<RelayDrainBed> CreateAsync(int events, CancellationToken cancellation)
    {
        // the first slot keeps all WAL of the backlog
        var bed = new RelayDrainBed(await RelayEngines.StartAsync(cancellation, "max_slot_wal_keep_size=-1"));
        try
        {
            // the relay itself makes it, and it stays where it is: before everything
            await using (bed.Engines.StartRelay(RelayMode.Cdc, FirstSlot))
            {
                await bed.Engines.UntilAsync("SELECT slot IS NOT NULL FROM relay_checkpoint", cancellation);
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

    /// <summary>A slot that tells the whole backlog.</summary>
    public async Task<string> SlotAsync(CancellationToken cancellation)
    {
        var slot = $"bench_{++_slots}";
        await Engines.ExecuteAsync($"SELECT pg_copy_logical_replication_slot('{FirstSlot}', '{slot}')", cancellation);
        return slot;
    }

    /// <summary>Ends a slot's use.</summary>
    public Task DropAsync(string slot, CancellationToken cancellation) =>
        Engines.ExecuteAsync($"SELECT pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'", cancellation);

    /// <summary>Makes the whole backlog unpublished: for the slot's stream, or for polling when there is none.</summary>
    public Task RewindAsync(string? slot, CancellationToken cancellation) => Engines.ExecuteAsync(
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
        using (var admin = KafkaClients.Admin(Engines.Kafka.Address))
        {
            await admin.DeleteTopicsAsync([Topics.OrderEvents]);
        }
        await KafkaTopics.EnsureAsync(Engines.Kafka.Address, replicationFactor: 1);
        await Engines.ExecuteAsync("CHECKPOINT", cancellation); // what is written behind is written now, not while the next one is measured
    }

    public ValueTask DisposeAsync() => Engines.DisposeAsync();

    // payloads of some hundred bytes, a key for each event
    private async Task FillAsync(int events, CancellationToken cancellation)
    {
        await using var connection = await Engines.Source.OpenConnectionAsync(cancellation);
        foreach (var statement in (string[])["SET synchronous_commit = off", FillStatement(events)]) // one by one: a COMMIT within DO is refused in a batch
        {
            await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancellation);
        }
        // autovacuum would do this at some moment of its own
        await Engines.ExecuteAsync("VACUUM ANALYZE event_log", cancellation);
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
}
