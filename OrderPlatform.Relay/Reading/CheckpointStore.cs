using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Relay.Ownership;

namespace OrderPlatform.Relay.Reading;

/// <summary>Keeps the checkpoint beside the log. Only the holder of the lease can move it.</summary>
public static class CheckpointStore
{
    /// <summary>The checkpoint, or the beginning of the log when there is none.</summary>
    /// <exception cref="InvalidOperationException">It was written for another cluster, whose transaction ids mean nothing here.</exception>
    public static async Task<Checkpoint> LoadAsync(NpgsqlConnection connection, Lease lease, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT here.system_identifier, done.system_identifier, done.from_snapshot::text, done.to_snapshot::text, done.position
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
            return Checkpoint.Beginning;
        }
        return reader.GetInt64(0) == reader.GetInt64(1)
            ? new Checkpoint(reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3), reader.GetInt64(4))
            : throw new InvalidOperationException(
                "The relay's checkpoint belongs to another PostgreSQL cluster (a dump was restored?): its transaction ids mean nothing here. "
                + "Delete the row of relay_checkpoint to publish the log again from its beginning; consumers drop what they have by its sequence.");
    }

    /// <summary>Moves the checkpoint.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written.</exception>
    public static async Task SaveAsync(NpgsqlConnection connection, Lease lease, Checkpoint done, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO relay_checkpoint (name, system_identifier, from_snapshot, to_snapshot, position)
            SELECT lease.name, here.system_identifier, $3::pg_snapshot, $4::pg_snapshot, $5 FROM relay_lease AS lease, pg_control_system() AS here
            WHERE lease.name = $1 AND lease.epoch = $2 FOR SHARE OF lease
            ON CONFLICT (name) DO UPDATE SET from_snapshot = excluded.from_snapshot, to_snapshot = excluded.to_snapshot, position = excluded.position
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
            },
        };
        if (await command.ExecuteNonQueryAsync(cancellation) == 0)
        {
            throw new LeaseLostException();
        }
    }
}
