using System.Diagnostics;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.Internal;
using Npgsql.Replication.PgOutput;

namespace OrderPlatform.Relay.Reading;

/// <summary>What became of a slot.</summary>
internal enum SlotCondition
{
    /// <summary>It can be read from.</summary>
    Ready,

    /// <summary>There is none of this name.</summary>
    Missing,

    /// <summary>PostgreSQL has given it up, with WAL that was not read: it kept more than max_slot_wal_keep_size.</summary>
    Lost,

    /// <summary>It is another database's.</summary>
    Foreign,
}

/// <summary>A logical replication slot, in which PostgreSQL remembers how far a reader has read the WAL, and keeps what it has not.</summary>
/// <param name="connectionString">Of the orders database.</param>
/// <param name="failover">Whether standbys keep a copy of it.</param>
internal sealed class RelaySlot(NpgsqlDataSource source, string connectionString, string name, bool failover)
{
    /// <summary>Of connections that read the log: a backlog comes in as many bytes at once as the server can give.</summary>
    public const int ReadBufferBytes = 256 * 1024;

    private const int FirstVersionWithFailover = 17;
    private static readonly TimeSpan TakeOverBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TakeOverPoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(1);

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>Whether this PostgreSQL decodes logically and this role may replicate.</summary>
    public async Task<bool> IsPossibleAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT current_setting('wal_level') = 'logical' AND (rolreplication OR rolsuper) FROM pg_roles WHERE rolname = current_user");
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    /// <summary>Takes the slot over. Where it cannot go on from the checkpoint, whatever there is of it is dropped; when it was there before, that is said loudly.</summary>
    /// <param name="told">The slot that the checkpoint names, if there is one.</param>
    /// <param name="healing">What makes the loss good.</param>
    /// <returns>Whether it goes on; it must be made otherwise.</returns>
    /// <exception cref="InvalidOperationException">The slot's name is taken.</exception>
    public async Task<bool> ResumeAsync(string? told, string healing, RelayState state, ILogger log, CancellationToken cancellation)
    {
        var condition = await TakeOverAsync(Name, cancellation);
        if (condition == SlotCondition.Foreign)
        {
            throw new InvalidOperationException($"Replication slot {Name} belongs to another database of this cluster: give this database's relay a name of its own (Relay:Slot, Relay:TablesSlot).");
        }
        if (told == Name && condition == SlotCondition.Ready)
        {
            return true;
        }
        if (told == Name)
        {
            RelayLog.SlotLost(log, Name, condition, healing);
            state.Lost(Name, healing);
        }
        await DropAsync(told ?? Name, cancellation);
        await DropAsync(Name, cancellation);
        return false;
    }

    /// <summary>A connection to create the slot with, or to read from it.</summary>
    public async Task<LogicalReplicationConnection> ConnectAsync(CancellationToken cancellation)
    {
        // to create the slot may take as long as any transaction that is open
        var unbounded = new NpgsqlConnectionStringBuilder(connectionString) { CommandTimeout = 0, ApplicationName = Name, ReadBufferSize = ReadBufferBytes };
        var replication = new LogicalReplicationConnection(unbounded.ConnectionString) { WalReceiverStatusInterval = StatusInterval };
        await replication.Open(cancellation);
        return replication;
    }

    /// <summary>Ends whoever reads from the slot (a relay that had the lease before) and says what became of it.</summary>
    /// <exception cref="TimeoutException">Its reader does not end.</exception>
    public async Task<SlotCondition> TakeOverAsync(string name, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var (condition, reader) = await LookAsync(name, cancellation);
            if (reader is null)
            {
                return condition;
            }
            if (Stopwatch.GetElapsedTime(since) > TakeOverBound)
            {
                throw new TimeoutException($"Replication slot {name} is still read by process {reader} after {TakeOverBound.TotalSeconds:0} s: end it, or give the relay another name (Relay:Slot, Relay:TablesSlot).");
            }
            await Task.Delay(TakeOverPoll, cancellation);
        }
    }

    /// <summary>Drops a slot of this database, if it is there.</summary>
    public async Task DropAsync(string name, CancellationToken cancellation)
    {
        if (await TakeOverAsync(name, cancellation) is SlotCondition.Ready or SlotCondition.Lost)
        {
            await using var command = source.CreateCommand("SELECT pg_drop_replication_slot($1)");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    /// <summary>Creates the slot. That waits for every transaction that is open now, in all databases of the cluster.</summary>
    /// <returns>
    /// With it the name of a snapshot that shows exactly what the slot does not tell. It can be used until the next command on the connection.
    /// </returns>
    public async Task<PgOutputReplicationSlot> CreateAsync(LogicalReplicationConnection replication, CancellationToken cancellation)
    {
        // https://www.postgresql.org/docs/18/protocol-replication.html; Npgsql knows no FAILOVER, and an SQL function that makes such a slot exports no snapshot
        var kept = failover && replication.PostgreSqlVersion.Major >= FirstVersionWithFailover ? ", FAILOVER" : "";
        var created = await replication.CreateLogicalReplicationSlot(Name, $"pgoutput (SNAPSHOT 'export'{kept})", cancellationToken: cancellation);
        return new PgOutputReplicationSlot(created);
    }

    private async Task<(SlotCondition Condition, int? Reader)> LookAsync(string name, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            SELECT wal_status IS NOT DISTINCT FROM 'lost', active_pid, pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()
            UNION ALL
            SELECT NULL, NULL, NULL FROM pg_replication_slots WHERE slot_name = $1 AND database IS DISTINCT FROM current_database()
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        await using var slot = await command.ExecuteReaderAsync(cancellation);
        return !await slot.ReadAsync(cancellation) ? (SlotCondition.Missing, null)
            : slot.IsDBNull(0) ? (SlotCondition.Foreign, null)
            : (slot.GetBoolean(0) ? SlotCondition.Lost : SlotCondition.Ready, slot.IsDBNull(1) ? null : slot.GetInt32(1));
    }
}
