using System.Threading.Channels;
using Npgsql.Replication;
using NpgsqlTypes;
using OrderPlatform.Contracts;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay.Tables;

/// <summary>Publishes what the slot tells, and the chunks of incremental snapshots at their place in it. The slot moves on only after Kafka's acknowledgement.</summary>
internal sealed class TableStream(
    LogicalReplicationConnection replication, TablePublisher publisher, DebeziumEnvelope envelope, IncrementalSnapshots snapshots, TableCheckpoints checkpoints, int batchSize, TableState state, ILogger log)
{
    /// <summary>Publishes until it is cancelled or something fails.</summary>
    /// <param name="told">How far the slot is published.</param>
    public async Task RunAsync(ChannelReader<TableEntry> entries, SlotCheckpoint told, CancellationToken cancellation)
    {
        var saved = told;
        while (await entries.WaitToReadAsync(cancellation))
        {
            var batch = new Batch(replication.LastFlushedLsn, told.Done);
            while (batch.Records.Count < batchSize && entries.TryRead(out var entry))
            {
                Take(entry, batch);
            }
            told = told with { Done = batch.Done };
            await publisher.PublishAsync(batch.Records, cancellation);
            await KeepAsync(batch, cancellation);
            if (told != saved && (checkpoints.IsDue || batch.Heartbeat is not null))
            {
                await checkpoints.SaveAsync(told, cancellation);
                saved = told;
            }
            replication.SetReplicationStatus(batch.End);
            state.Published(batch.Records.Count);
            if (batch.Heartbeat is { } heartbeat)
            {
                state.Passed(heartbeat);
            }
            state.Progressed();
        }
    }

    private void Take(TableEntry entry, Batch batch)
    {
        if (entry.Change is { Table.Name: CapturedTables.Signals } signal)
        {
            batch.Signals.AddRange(Signalled(signal));
            batch.Done = entry.Position;
        }
        else if (entry.Change is { } change)
        {
            snapshots.Window?.Passed(change);
            batch.Records.AddRange(envelope.Records(change));
            batch.Done = entry.Position;
        }
        else if (entry.Watermark is not { } mark)
        {
            (batch.End, batch.Heartbeat) = (entry.End, entry.Heartbeat ?? batch.Heartbeat);
        }
        else if (snapshots.Window is { } window && window.Id == mark.Window) // others are of an earlier ownership
        {
            if (mark.IsHigh)
            {
                batch.Records.AddRange(window.Close(entry.Position.CommitLsn).SelectMany(envelope.Records));
                batch.Closed = window;
            }
            else
            {
                window.Open();
            }
        }
    }

    // before the slot moves over them: a signal that is told again only makes a snapshot begin again
    private async Task KeepAsync(Batch batch, CancellationToken cancellation)
    {
        if (batch.Signals.Count > 0)
        {
            await checkpoints.RequestAsync([.. batch.Signals.Distinct()], cancellation);
            snapshots.Wake();
        }
        if (batch.Closed is { } window)
        {
            await snapshots.SaveAsync(checkpoints, cancellation);
            window.Acknowledge();
        }
    }

    private IReadOnlyList<TableName> Signalled(TableChange signal)
    {
        if (signal is not { Operation: Operation.Create, After: { } row })
        {
            return [];
        }
        var tables = SnapshotSignal.Read(row, out var problem);
        if (problem is not null)
        {
            RelayLog.SignalNotUnderstood(log, row["id"] ?? "", problem);
        }
        return tables;
    }

    /// <summary>What is published at once.</summary>
    /// <param name="end">Where the slot stood before it.</param>
    /// <param name="done">How far it was published before it.</param>
    private sealed class Batch(NpgsqlLogSequenceNumber end, WalPosition done)
    {
        public List<TableRecord> Records { get; } = [];

        public List<TableName> Signals { get; } = [];

        public NpgsqlLogSequenceNumber End { get; set; } = end;

        public WalPosition Done { get; set; } = done;

        public Heartbeat? Heartbeat { get; set; }

        public SnapshotWindow? Closed { get; set; }
    }
}
