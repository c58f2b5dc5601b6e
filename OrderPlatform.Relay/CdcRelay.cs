using System.Data;
using System.Threading.Channels;
using Npgsql;
using Npgsql.Replication;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Publishing;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay;

/// <summary>
/// Publishes from the WAL, through a replication slot: events come when they commit, in the order of their commits. The slot moves
/// on only after Kafka's acknowledgement. docs/decisions/0014.
/// </summary>
/// <param name="connection">The owner's: its backend is ended by a successor.</param>
internal sealed class CdcRelay(
    NpgsqlDataSource source, NpgsqlConnection connection, RelaySlot slot, EventPublisher publisher, CheckpointStore checkpoints, RelayOptions options, RelayState state, ILogger log)
{
    private const int PiecesAhead = 4;
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(1);

    /// <summary>Publishes until it is cancelled or something fails.</summary>
    /// <exception cref="InvalidOperationException">The slot's name is taken.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var (done, told) = await checkpoints.LoadAsync(cancellation);
        var resumes = await slot.ResumeAsync(told?.Slot, "its events were read from the event log", state, log, cancellation);
        await using var replication = await slot.ConnectAsync(cancellation);
        if (told is null || !resumes)
        {
            (done, told) = await CatchUpAsync(replication, done, cancellation);
        }
        var pieces = Channel.CreateBounded<WalPiece>(new BoundedChannelOptions(PiecesAhead) { SingleReader = true, SingleWriter = true });
        await Together.RunAsync(
            cancellation,
            stopping => new WalReader(source, replication, slot.Name, told.Done, options.BatchSize).ReadAsync(pieces.Writer, stopping),
            stopping => PublishAsync(replication, pieces.Reader, done, told, stopping),
            BeatAsync);
    }

    /// <summary>Makes the slot and publishes what it does not tell: nothing is lost or doubled in between. The first start, a missing slot and a lost one go this way.</summary>
    private async Task<(Checkpoint, SlotCheckpoint)> CatchUpAsync(LogicalReplicationConnection replication, Checkpoint done, CancellationToken cancellation)
    {
        var polling = new PollingRelay(connection, publisher, checkpoints, options, state);
        // first to the end of the log, so that the slot has little to keep
        done = await polling.RunAsync(done, events => events < options.BatchSize, cancellation);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var creating = slot.CreateAsync(replication, ending.Token);
        try
        {
            // PostgreSQL makes no slot while an older transaction is open: the others' events do not wait for it
            done = await polling.RunAsync(done, _ => creating.IsCompleted, cancellation);
            done = await DrainAsync((await creating).SnapshotName!, done, cancellation);
        }
        finally
        {
            await ending.CancelAsync();
            await ((Task)creating).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        var told = new SlotCheckpoint(slot.Name, default);
        await checkpoints.SaveAsync(done, told, cancellation);
        return (done, told);
    }

    // publishes what the snapshot shows and is not published: the slot tells the rest
    private async Task<Checkpoint> DrainAsync(string snapshot, Checkpoint done, CancellationToken cancellation)
    {
        await using var frozen = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await frozen.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using (var command = new NpgsqlCommand($"SET TRANSACTION SNAPSHOT '{snapshot}'; SET LOCAL plan_cache_mode = force_custom_plan", frozen))
        {
            await command.ExecuteNonQueryAsync(cancellation);
        }
        return await new PollingRelay(frozen, publisher, checkpoints, options, state).RunAsync(done, events => events < options.BatchSize, cancellation);
    }

    private async Task PublishAsync(LogicalReplicationConnection replication, ChannelReader<WalPiece> pieces, Checkpoint done, SlotCheckpoint told, CancellationToken cancellation)
    {
        var more = pieces.ReadAsync(cancellation).AsTask();
        while (true)
        {
            await (publisher.Acknowledgement is { } acknowledgement ? Task.WhenAny(more, acknowledgement) : (Task)more);
            if (more.IsCompleted)
            {
                var piece = await more;
                await publisher.SendAsync(piece.Events, () => Published(piece), cancellation);
                more = pieces.ReadAsync(cancellation).AsTask();
            }
            await publisher.SettleAsync(cancellation);
            if (checkpoints.IsDue)
            {
                await checkpoints.SaveAsync(done, told, cancellation);
            }
        }

        void Published(WalPiece piece)
        {
            told = told with { Done = piece.Position ?? told.Done };
            if (piece.End is { } end)
            {
                replication.SetReplicationStatus(end);
            }
            if (piece.Heartbeat is { } heartbeat)
            {
                done = Checkpoint.After(heartbeat.Snapshot);
                state.Passed(heartbeat);
            }
            state.Progressed(); // at least with each heartbeat: where none comes through, the stream stalls
        }
    }

    private async Task BeatAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(HeartbeatInterval);
        do
        {
            state.Stands(await Heartbeat.SendAsync(source, slot.Name, state.Heartbeat, cancellation));
        }
        while (await timer.WaitForNextTickAsync(cancellation));
    }
}
