using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Relay.Ownership;

namespace OrderPlatform.Relay.Reading;

/// <summary>Keeps the checkpoint beside the log. Only the holder of the lease can move it.</summary>
/// <param name="connection">That of the <see cref="Publishing.EventPublisher"/>.</param>
public sealed class CheckpointStore(NpgsqlConnection connection, Lease lease)
{
    // under load the checkpoint moves this often: what was published since is repeated after a crash, which is cheaper than a write for each batch
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private long _savedAt;

    /// <summary>Whether the last move is long enough ago for another under load.</summary>
    public bool IsDue => Stopwatch.GetElapsedTime(_savedAt) > Interval;

    /// <summary>The checkpoint, or the beginning of the log when there is none; and that of the slot that goes on from it, if one does.</summary>
    /// <exception cref="InvalidOperationException">It was written for another cluster, whose transaction ids mean nothing here.</exception>
    public async Task<(Checkpoint Log, SlotCheckpoint? Slot)> LoadAsync(CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT here.system_identifier, done.system_identifier, done.from_snapshot::text, done.to_snapshot::text, done.position, done.slot, done.commit_lsn, done.ordinal
            FROM pg_control_system() AS here LEFT JOIN relay_checkpoint AS done ON done.name = $1
            """,
            connection)
        {
            Parameters = { new() { Value = lease.Name } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (reader.IsDBNull(1))
        {
            return (Checkpoint.Beginning, null);
        }
        return reader.GetInt64(0) == reader.GetInt64(1)
            ? (new Checkpoint(reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3), reader.GetInt64(4)),
                reader.IsDBNull(5) ? null : new SlotCheckpoint(reader.GetString(5), new WalPosition(reader.GetFieldValue<NpgsqlLogSequenceNumber>(6), reader.GetInt64(7))))
            : throw new InvalidOperationException(
                "The relay's checkpoint belongs to another PostgreSQL cluster (a dump was restored?): its transaction ids mean nothing here. "
                + "Delete the row of relay_checkpoint to publish the log again from its beginning; consumers drop what they have by its sequence.");
    }

    /// <summary>Moves the checkpoint.</summary>
    /// <param name="slot">The slot that goes on where it ends; null when polling does.</param>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written.</exception>
    public async Task SaveAsync(Checkpoint done, SlotCheckpoint? slot, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO relay_checkpoint (name, system_identifier, from_snapshot, to_snapshot, position, slot, commit_lsn, ordinal)
            SELECT lease.name, here.system_identifier, $3::pg_snapshot, $4::pg_snapshot, $5, $6, $7, $8 FROM relay_lease AS lease, pg_control_system() AS here
            WHERE lease.name = $1 AND lease.epoch = $2 FOR SHARE OF lease
            ON CONFLICT (name) DO UPDATE SET from_snapshot = excluded.from_snapshot, to_snapshot = excluded.to_snapshot, position = excluded.position,
                slot = excluded.slot, commit_lsn = excluded.commit_lsn, ordinal = excluded.ordinal
            """,
            connection)
        {
            Parameters =
            {
                new() { Value = lease.Name },
                new() { Value = lease.Epoch },
                new() { Value = done.From },
                new() { Value = (object?)done.To ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = done.Position },
                new() { Value = (object?)slot?.Slot ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = (object?)slot?.Done.CommitLsn ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.PgLsn },
                new() { Value = (object?)slot?.Done.Ordinal ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint },
            },
        };
        if (await command.ExecuteNonQueryAsync(cancellation) == 0)
        {
            throw new LeaseLostException();
        }
        _savedAt = Stopwatch.GetTimestamp();
    }
}
