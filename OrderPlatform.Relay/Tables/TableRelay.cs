using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Npgsql;
using Npgsql.Replication;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay.Tables;

/// <summary>
/// Carries the changes of tables to Kafka in Debezium's envelope, from a slot of its own: first a snapshot of each table, then the
/// stream. Whatever fails, it starts again from the checkpoint. docs/decisions/0016.
/// </summary>
internal sealed class TableRelay(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IConfiguration configuration, IOptions<RelayOptions> options, TableState state, TimeProvider clock, ILogger<TableRelay> log)
    : BackgroundService
{
    private const string LeaseName = "tables";
    private const string Healing = "its tables are read again, with deletes of the rows that went meanwhile";
    private static readonly TimeSpan BeatInterval = TimeSpan.FromSeconds(1);

    private readonly NpgsqlConnectionStringBuilder _orders = new(configuration.Required(Connections.Orders)) { Options = PostgresText.ConnectionOptions };
    private readonly string _kafka = configuration.Required(Connections.Kafka);

    private RelaySlot Slot => new(source, _orders.ConnectionString, options.Value.TablesSlot, options.Value.SlotFailover);

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => new Owner(source, LeaseName, options.Value.LeaseTimeout, state, log).RunAsync(PublishAsync, stoppingToken);

    private async Task PublishAsync(NpgsqlConnection connection, Lease lease, CancellationToken cancellation)
    {
        var checkpoints = new TableCheckpoints(connection, lease);
        if (await OffAsync(checkpoints, cancellation) is { } why)
        {
            await IdleAsync(why, cancellation);
        }
        RelayLog.TablesLeaseTaken(log, lease.Name, lease.Epoch);
        var told = await checkpoints.LoadAsync(cancellation);
        var resumes = await Slot.ResumeAsync(told?.Slot, Healing, state, log, cancellation);
        await using var replication = await Slot.ConnectAsync(cancellation);
        using var publisher = new TablePublisher(_kafka);
        var envelope = new DebeziumEnvelope(_orders.Database!, clock);
        if (told is null || !resumes)
        {
            told = await BeginAsync(replication, connection, publisher, envelope, checkpoints, cancellation);
        }
        var snapshots = new IncrementalSnapshots(source, _kafka, options.Value.SnapshotChunk, clock, log);
        var stream = new TableStream(replication, publisher, envelope, snapshots, checkpoints, options.Value.BatchSize, state, log);
        var entries = Channel.CreateBounded<TableEntry>(new BoundedChannelOptions(options.Value.BatchSize) { SingleReader = true, SingleWriter = true });
        await Together.RunAsync(
            cancellation,
            stopping => new TableWalReader(source, replication, Slot.Name, told.Done).ReadAsync(entries.Writer, stopping),
            stopping => stream.RunAsync(entries.Reader, told, stopping),
            snapshots.RunAsync,
            BeatAsync);
    }

    /// <summary>Makes the slot, and publishes the tables as it finds them.</summary>
    private async Task<SlotCheckpoint> BeginAsync(
        LogicalReplicationConnection replication, NpgsqlConnection connection, TablePublisher publisher, DebeziumEnvelope envelope, TableCheckpoints checkpoints, CancellationToken cancellation)
    {
        var creating = Slot.CreateAsync(replication, cancellation);
        while (!creating.IsCompleted) // that waits for every transaction that is open: it is no stall
        {
            state.Progressed();
            await Task.WhenAny(creating, Task.Delay(BeatInterval, cancellation));
        }
        var made = await creating;
        var told = new SlotCheckpoint(Slot.Name, new WalPosition(made.ConsistentPoint, 0));
        await checkpoints.BeginAsync(told, TableName.Captured, cancellation);
        var snapshot = new InitialSnapshot(source, made.SnapshotName!, made.ConsistentPoint, options.Value.SnapshotChunk, clock);
        await foreach (var chunk in snapshot.ReadAsync(await TableCheckpoints.SnapshotsAsync(connection, cancellation), cancellation))
        {
            await publisher.PublishAsync([.. chunk.Rows.SelectMany(envelope.Records)], cancellation);
            foreach (var table in chunk.After)
            {
                await checkpoints.SaveAsync(table, cancellation);
            }
            state.Published(chunk.Rows.Count);
            state.Progressed();
        }
        return told;
    }

    /// <summary>Why nothing is to be published, if so. A slot that nobody reads would only keep WAL.</summary>
    private async Task<string?> OffAsync(TableCheckpoints checkpoints, CancellationToken cancellation)
    {
        if (!await Slot.IsPossibleAsync(cancellation))
        {
            return "off: PostgreSQL does not decode logically here (wal_level, or the role's right to replicate)";
        }
        if (options.Value.Tables)
        {
            return null;
        }
        if (await checkpoints.LoadAsync(cancellation) is { } told)
        {
            await Slot.DropAsync(told.Slot, cancellation);
            await checkpoints.ForgetAsync(cancellation);
        }
        return "off: Relay:Tables is false";
    }

    private async Task IdleAsync(string why, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(BeatInterval);
        do
        {
            state.TurnedOff(why);
        }
        while (await timer.WaitForNextTickAsync(cancellation));
    }

    private async Task BeatAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(BeatInterval);
        do
        {
            state.Stands(await Heartbeat.SendAsync(source, Slot.Name, state.Heartbeat, cancellation));
        }
        while (await timer.WaitForNextTickAsync(cancellation));
    }
}
