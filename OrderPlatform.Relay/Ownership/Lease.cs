using Npgsql;

namespace OrderPlatform.Relay.Ownership;

/// <summary>The lease is somebody else's now: whoever notices stops publishing at once.</summary>
public sealed class LeaseLostException() : Exception("Another relay has taken the lease over.");

/// <summary>
/// The right to publish, held by one relay at a time: a row with an epoch and a heartbeat. An advisory lock alone would
/// survive in a process that was stopped; here the next owner raises the epoch and ends the last one's backend, and what
/// that one still writes fails on its epoch.
/// </summary>
public sealed class Lease(string name, long epoch)
{
    /// <summary>Whose lease it is.</summary>
    public string Name => name;

    /// <summary>This ownership's number.</summary>
    public long Epoch => epoch;

    /// <summary>
    /// Takes the lease when its holder has been silent for <paramref name="timeout"/> by PostgreSQL's clock, or when its backend is gone: then its process
    /// has died, or finds out at its next write that the lease is lost.
    /// </summary>
    /// <param name="connection">The connection that will publish: its backend is the one to be ended by a successor.</param>
    /// <param name="ended">
    /// The epoch of an ownership of the caller's own, of which nothing runs any more: it need not run out, should its release have failed. 0: none.
    /// </param>
    /// <returns>The lease, or null while somebody else holds it.</returns>
    public static async Task<Lease?> TryTakeAsync(NpgsqlConnection connection, string name, TimeSpan timeout, long ended, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var take = new NpgsqlCommand(
            """
            WITH before AS (
                SELECT name, backend_pid, backend_start FROM relay_lease WHERE name = $1 AND (heartbeat_at < now() - $2 OR epoch = $4 OR NOT EXISTS (
                    SELECT FROM pg_stat_activity AS holder WHERE pid = backend_pid AND coalesce(holder.backend_start, relay_lease.backend_start) = relay_lease.backend_start))
                FOR UPDATE SKIP LOCKED)
            UPDATE relay_lease SET epoch = epoch + 1, holder = $3, heartbeat_at = clock_timestamp(), backend_pid = pg_backend_pid(),
                backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
            FROM before WHERE relay_lease.name = before.name
            RETURNING epoch, (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE pid = before.backend_pid AND backend_start = before.backend_start AND pid <> pg_backend_pid())
            """,
            connection)
        {
            Parameters = { new() { Value = name }, new() { Value = timeout }, new() { Value = $"{Environment.MachineName}:{Environment.ProcessId}" }, new() { Value = ended } },
        };
        var epoch = await take.ExecuteScalarAsync(cancellation) as long?;
        await transaction.CommitAsync(cancellation);
        return epoch is { } mine ? new Lease(name, mine) : null;
    }

    /// <summary>Says that the holder is alive.</summary>
    /// <exception cref="LeaseLostException">It is somebody else's by now.</exception>
    public async Task BeatAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("UPDATE relay_lease SET heartbeat_at = clock_timestamp() WHERE name = $1 AND epoch = $2");
        command.Parameters.Add(new NpgsqlParameter { Value = name });
        command.Parameters.Add(new NpgsqlParameter { Value = epoch });
        if (await command.ExecuteNonQueryAsync(cancellation) == 0)
        {
            throw new LeaseLostException();
        }
    }

    /// <summary>Gives the lease back, so that another relay can take it without waiting.</summary>
    public async Task ReleaseAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("UPDATE relay_lease SET heartbeat_at = '-infinity', backend_pid = 0 WHERE name = $1 AND epoch = $2");
        command.Parameters.Add(new NpgsqlParameter { Value = name });
        command.Parameters.Add(new NpgsqlParameter { Value = epoch });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
