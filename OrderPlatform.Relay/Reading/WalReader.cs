using System.Threading.Channels;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.PgOutput;
using Npgsql.Replication.PgOutput.Messages;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>What the slot tells next: an event, or the end of a transaction.</summary>
/// <param name="Event">The event; null at the end of a transaction.</param>
/// <param name="Position">Its place; at the end of a transaction that of its last event.</param>
/// <param name="End">Where the transaction ends in the WAL: once all before is published, the slot need not keep it.</param>
/// <param name="Heartbeat">The heartbeat that the transaction was, if it was one.</param>
internal readonly record struct WalEntry(LoggedEvent? Event, WalPosition Position, NpgsqlLogSequenceNumber End, Heartbeat? Heartbeat);

/// <summary>
/// Reads the event log's inserts from a replication slot, in the order of their commits, and within a transaction as they were
/// made. An aggregate's events are in order by that: who appends to it holds its row until the commit.
/// </summary>
/// <remarks>
/// A transaction beyond logical_decoding_work_mem comes while it still runs (protocol version 2). Its rows are passed over then: at
/// its commit they are read from the log itself, piece by piece, so that no size of transaction fills a memory or a disk.
/// https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
/// </remarks>
/// <param name="done">What the slot tells up to here is published, and left out.</param>
/// <param name="pieceSize">Events of a large transaction that are read at once.</param>
internal sealed class WalReader(NpgsqlDataSource source, LogicalReplicationConnection replication, string slot, WalPosition done, int pieceSize)
{
    private const string Publication = "orderplatform_event_log"; // of migration 0008, which names the columns and their order

    private static readonly TimeSpan VisibilityPoll = TimeSpan.FromMilliseconds(5);

    private readonly Dictionary<uint, RunningTransaction> _running = [];
    private RunningTransaction? _told; // the running transaction whose changes come now; null between such pieces
    private WalPosition _position;
    private Heartbeat? _heartbeat;

    /// <summary>Hands over what the slot tells, for ever. It waits while nobody takes it.</summary>
    public async Task ReadAsync(ChannelWriter<WalEntry> entries, CancellationToken cancellation)
    {
        var options = new PgOutputReplicationOptions(Publication, PgOutputProtocolVersion.V2, binary: true, streamingMode: PgOutputStreamingMode.On, messages: true);
        await foreach (var message in replication.StartReplication(new PgOutputReplicationSlot(slot), options, cancellation))
        {
            switch (message)
            {
                case InsertMessage insert when _told is null:
                    await HandOverAsync(insert, entries, cancellation);
                    break;
                case BeginMessage begin:
                    (_position, _heartbeat) = (new WalPosition(begin.TransactionFinalLsn, 0), null);
                    break;
                case CommitMessage commit:
                    await entries.WriteAsync(new WalEntry(null, _position, commit.TransactionEndLsn, _heartbeat), cancellation);
                    break;
                case LogicalDecodingMessage { Prefix: Heartbeat.Prefix } beat:
                    var heartbeat = await Heartbeat.ReadAsync(beat.Data, cancellation);
                    _ = _told is null ? _heartbeat = heartbeat : _told.Heartbeat = heartbeat;
                    break;
                default:
                    await FollowRunningAsync(message, entries, cancellation);
                    break;
            }
        }
    }

    private async Task FollowRunningAsync(PgOutputReplicationMessage message, ChannelWriter<WalEntry> entries, CancellationToken cancellation)
    {
        switch (message)
        {
            case StreamStartMessage start:
                _told = _running.TryGetValue(start.TransactionXid, out var known) ? known : _running[start.TransactionXid] = new RunningTransaction();
                break;
            case InsertMessage insert when _told is { TransactionId: null }:
                _told.TransactionId = await TransactionIdAsync(insert, cancellation);
                break;
            case StreamStopMessage:
                _told = null;
                break;
            case StreamAbortMessage abort when abort.SubtransactionXid == abort.TransactionXid:
                _running.Remove(abort.TransactionXid);
                break;
            case StreamCommitMessage commit:
                _running.Remove(commit.TransactionXid, out var ended);
                _position = new WalPosition(commit.CommitLsn, 0);
                if (ended?.TransactionId is { } transactionId)
                {
                    await HandOverFromLogAsync(transactionId, entries, cancellation);
                }
                await entries.WriteAsync(new WalEntry(null, _position, commit.TransactionEndLsn, ended?.Heartbeat), cancellation);
                break;
        }
    }

    private async ValueTask HandOverAsync(InsertMessage insert, ChannelWriter<WalEntry> entries, CancellationToken cancellation)
    {
        _position = _position with { Ordinal = _position.Ordinal + 1 };
        if (!_position.IsUpTo(done))
        {
            await entries.WriteAsync(new WalEntry(await EventAsync(insert.NewRow, cancellation), _position, default, null), cancellation);
        }
    }

    // Positions rise as rows are inserted, so this is the order in which the slot would have told them: it may do so the next time.
    private async Task HandOverFromLogAsync(ulong transactionId, ChannelWriter<WalEntry> entries, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await UntilVisibleAsync(connection, transactionId, cancellation);
        var last = 0L;
        IReadOnlyList<LoggedEvent> piece;
        do
        {
            piece = await PieceAsync(connection, transactionId, last, cancellation);
            foreach (var logged in piece)
            {
                last = logged.Position;
                _position = _position with { Ordinal = _position.Ordinal + 1 };
                if (!_position.IsUpTo(done))
                {
                    await entries.WriteAsync(new WalEntry(logged, _position, default, null), cancellation);
                }
            }
        }
        while (piece.Count == pieceSize);
    }

    // PostgreSQL shows a transaction's rows a moment after its commit is in the WAL; while it waits for a synchronous standby, much later
    private static async Task UntilVisibleAsync(NpgsqlConnection connection, ulong transactionId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT pg_visible_in_snapshot($1, pg_current_snapshot())", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = transactionId, NpgsqlDbType = NpgsqlDbType.Xid8 });
        while (await command.ExecuteScalarAsync(cancellation) is not true)
        {
            await Task.Delay(VisibilityPoll, cancellation);
        }
    }

    private async Task<IReadOnlyList<LoggedEvent>> PieceAsync(NpgsqlConnection connection, ulong transactionId, long after, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT {LoggedEvent.Columns} FROM event_log WHERE transaction_id = $1 AND position > $2 ORDER BY position LIMIT $3", connection)
        {
            Parameters = { new() { Value = transactionId, NpgsqlDbType = NpgsqlDbType.Xid8 }, new() { Value = after }, new() { Value = pieceSize } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var piece = new List<LoggedEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            piece.Add(LoggedEvent.Read(reader, first: 0));
        }
        return piece;
    }

    private static async ValueTask<LoggedEvent> EventAsync(ReplicationTuple row, CancellationToken cancellation)
    {
        var columns = row.GetAsyncEnumerator(cancellation);
        var position = await NextAsync<long>(columns);
        await columns.MoveNextAsync(); // transaction_id
        return new LoggedEvent(
            position, await NextAsync<string>(columns), await NextAsync<int>(columns), await NextAsync<Guid>(columns), await NextAsync<string>(columns), await NextAsync<string>(columns), await NextAsync<string>(columns),
            await NextAsync<DateTimeOffset>(columns), await NextAsync<DateTimeOffset>(columns), await NextOrNullAsync(columns), await NextAsync<byte[]>(columns));
    }

    private static async Task<ulong> TransactionIdAsync(InsertMessage insert, CancellationToken cancellation)
    {
        var columns = insert.NewRow.GetAsyncEnumerator(cancellation);
        await columns.MoveNextAsync(); // position
        return await NextAsync<ulong>(columns);
    }

    private static async ValueTask<T> NextAsync<T>(IAsyncEnumerator<ReplicationValue> columns)
    {
        await columns.MoveNextAsync();
        return await columns.Current.Get<T>();
    }

    private static async ValueTask<string?> NextOrNullAsync(IAsyncEnumerator<ReplicationValue> columns)
    {
        await columns.MoveNextAsync();
        return columns.Current.IsDBNull ? null : await columns.Current.Get<string>();
    }

    /// <summary>A transaction that is told while it runs.</summary>
    private sealed class RunningTransaction
    {
        /// <summary>As its rows have it, the same for all its subtransactions; null while no row of the log has come.</summary>
        public ulong? TransactionId { get; set; }

        public Heartbeat? Heartbeat { get; set; }
    }
}
