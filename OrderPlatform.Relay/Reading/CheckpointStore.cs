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
            SELECT here.system_identifier, done.system_identifier, done.from_xid, done.to_xid, done.position
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
            return Checkpoint.After(0);
        }
        return reader.GetInt64(0) == reader.GetInt64(1)
            ? new Checkpoint(reader.GetFieldValue<ulong>(2), reader.GetFieldValue<ulong>(3), reader.GetInt64(4))
            : throw new InvalidOperationException(
                "The relay's checkpoint belongs to another PostgreSQL cluster (a dump was restored?): its transaction ids mean nothing here. "
                + "Delete the row of relay_checkpoint to publish the log again from its beginning; consumers drop what they have by its sequence.");
    }

    /// <summary>Moves the checkpoint. Losing the last moves to a crash only repeats events, so the commit need not wait for the disk.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written.</exception>
    public static async Task SaveAsync(NpgsqlConnection connection, Lease lease, Checkpoint done, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                // SET LOCAL has no effect outside an explicit transaction; this one holds to the end of the batch, which is one
                new("SELECT set_config('synchronous_commit', 'off', true)"),
                new("""
                    INSERT INTO relay_checkpoint (name, system_identifier, from_xid, to_xid, position)
                    SELECT lease.name, here.system_identifier, $3, $4, $5 FROM relay_lease AS lease, pg_control_system() AS here
                    WHERE lease.name = $1 AND lease.epoch = $2 FOR SHARE OF lease
                    ON CONFLICT (name) DO UPDATE SET from_xid = excluded.from_xid, to_xid = excluded.to_xid, position = excluded.position
                    """)
                {
                    Parameters =
                    {
                        new() { Value = lease.Name },
                        new() { Value = lease.Epoch },
                        new NpgsqlParameter<ulong> { TypedValue = done.From, NpgsqlDbType = NpgsqlDbType.Xid8 },
                        new NpgsqlParameter<ulong> { TypedValue = done.To, NpgsqlDbType = NpgsqlDbType.Xid8 },
                        new() { Value = done.Position },
                    },
                },
            },
        };
        if (await batch.ExecuteNonQueryAsync(cancellation) == 0)
        {
            throw new LeaseLostException();
        }
    }
}
