using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay.Tables;

/// <summary>What of a snapshot is being published.</summary>
internal enum SnapshotPhase
{
    /// <summary>The table's rows.</summary>
    Rows,

    /// <summary>Deletes of keys that are published and that the table has no more.</summary>
    Deletes,

    /// <summary>Nothing: it is done.</summary>
    Done,
}

/// <summary>A snapshot that is not done yet.</summary>
/// <param name="Number">The order of snapshots; one that begins again has another.</param>
/// <param name="After">The key behind which it goes on; null at the beginning.</param>
internal sealed record TableSnapshot(TableName Table, long Number, SnapshotPhase Phase, string[]? After);

/// <summary>How far the slot and the snapshots are published. Only the holder of the lease can move it.</summary>
/// <param name="connection">The owner's.</param>
internal sealed class TableCheckpoints(NpgsqlConnection connection, Lease lease)
{
    // under load the position moves this often: what was published since is repeated after a crash
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private long _savedAt;

    /// <summary>Whether the last move is long enough ago for another under load.</summary>
    public bool IsDue => Stopwatch.GetElapsedTime(_savedAt) > Interval;

    /// <summary>How far the slot is published; null when there is none.</summary>
    public async Task<SlotCheckpoint?> LoadAsync(CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT slot, commit_lsn, ordinal FROM table_checkpoint WHERE name = $1", connection) { Parameters = { new() { Value = lease.Name } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? new SlotCheckpoint(reader.GetString(0), new WalPosition(reader.GetFieldValue<NpgsqlLogSequenceNumber>(1), reader.GetInt64(2))) : null;
    }

    /// <summary>The snapshots that are not done, in their order. Any connection can ask.</summary>
    public static async Task<IReadOnlyList<TableSnapshot>> SnapshotsAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT table_name, number, phase, after_key FROM table_snapshot ORDER BY number", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var snapshots = new List<TableSnapshot>();
        while (await reader.ReadAsync(cancellation))
        {
            snapshots.Add(new TableSnapshot(
                TableName.Parse(reader.GetString(0)), reader.GetInt64(1), Enum.Parse<SnapshotPhase>(reader.GetString(2), ignoreCase: true), reader.IsDBNull(3) ? null : reader.GetFieldValue<string[]>(3)));
        }
        return snapshots;
    }

    /// <summary>A new slot: everything behind its position comes through it, everything before by a snapshot of each table.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written. So it is with each of these.</exception>
    public Task BeginAsync(SlotCheckpoint told, IReadOnlyList<TableName> tables, CancellationToken cancellation) =>
        WriteAsync([Save(told), new NpgsqlBatchCommand("DELETE FROM table_snapshot"), Request(tables)], cancellation);

    /// <summary>Changes were published.</summary>
    public async Task SaveAsync(SlotCheckpoint told, CancellationToken cancellation)
    {
        await WriteAsync([Save(told)], cancellation);
        _savedAt = Stopwatch.GetTimestamp();
    }

    /// <summary>Snapshots are wanted; one that is under way begins again.</summary>
    public Task RequestAsync(IReadOnlyList<TableName> tables, CancellationToken cancellation) => WriteAsync([Request(tables)], cancellation);

    /// <summary>A snapshot has come further, or is done. One that began again meanwhile is left as it is.</summary>
    public Task SaveAsync(TableSnapshot snapshot, CancellationToken cancellation) => WriteAsync(
        [
            snapshot.Phase == SnapshotPhase.Done ? Delete(snapshot) : new NpgsqlBatchCommand("UPDATE table_snapshot SET phase = $3, after_key = $4 WHERE table_name = $1 AND number = $2")
            {
                Parameters =
                {
                    new() { Value = snapshot.Table.ToString() }, new() { Value = snapshot.Number }, new() { Value = snapshot.Phase == SnapshotPhase.Rows ? "rows" : "deletes" },
                    new() { Value = (object?)snapshot.After ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                },
            },
        ],
        cancellation);

    /// <summary>Nothing is published any more: whoever begins again begins with new snapshots.</summary>
    public Task ForgetAsync(CancellationToken cancellation) => WriteAsync([new NpgsqlBatchCommand("DELETE FROM table_checkpoint"), new NpgsqlBatchCommand("DELETE FROM table_snapshot")], cancellation);

    private static NpgsqlBatchCommand Delete(TableSnapshot snapshot) => new("DELETE FROM table_snapshot WHERE table_name = $1 AND number = $2")
    {
        Parameters = { new() { Value = snapshot.Table.ToString() }, new() { Value = snapshot.Number } },
    };

    private NpgsqlBatchCommand Save(SlotCheckpoint told) => new(
        """
        INSERT INTO table_checkpoint (name, slot, commit_lsn, ordinal) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE SET slot = excluded.slot, commit_lsn = excluded.commit_lsn, ordinal = excluded.ordinal
        """)
    {
        Parameters = { new() { Value = lease.Name }, new() { Value = told.Slot }, new() { Value = told.Done.CommitLsn, NpgsqlDbType = NpgsqlDbType.PgLsn }, new() { Value = told.Done.Ordinal } },
    };

    private static NpgsqlBatchCommand Request(IReadOnlyList<TableName> tables) => new(
        """
        INSERT INTO table_snapshot (table_name) SELECT unnest($1)
        ON CONFLICT (table_name) DO UPDATE SET number = DEFAULT, phase = 'rows', after_key = NULL
        """)
    {
        Parameters = { new() { Value = tables.Select(table => table.ToString()).ToArray() } },
    };

    private async Task WriteAsync(IReadOnlyList<NpgsqlBatchCommand> changes, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var mine = new NpgsqlCommand("SELECT 1 FROM relay_lease WHERE name = $1 AND epoch = $2 FOR SHARE", connection) { Parameters = { new() { Value = lease.Name }, new() { Value = lease.Epoch } } };
        if (await mine.ExecuteScalarAsync(cancellation) is null)
        {
            throw new LeaseLostException();
        }
        await using var batch = new NpgsqlBatch(connection);
        foreach (var change in changes)
        {
            batch.BatchCommands.Add(change);
        }
        await batch.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
    }
}
