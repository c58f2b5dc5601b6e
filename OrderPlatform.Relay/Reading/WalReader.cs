using System.Threading.Channels;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.Internal;
using Npgsql.Replication.PgOutput;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>
/// Reads the event log's inserts from a replication slot, in the order of their commits, and within a transaction as they were
/// made; none before PostgreSQL shows it to everybody. An aggregate's events are in order by that: who appends to it holds its row until the commit.
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

    private const int FlagsLength = 1;
    private const int LsnLength = sizeof(ulong);
    private const int TimeLength = sizeof(long);
    private const int RowHeaderLength = sizeof(uint) + 1 + sizeof(short); // relation, 'N', number of columns

    private readonly Dictionary<uint, RunningTransaction> _transactions = [];
    private byte[] _buffer = new byte[16 * 1024];
    private RunningTransaction? _running; // whose changes come now, before its end; null between such pieces
    private WalPosition _position;
    private Heartbeat? _heartbeat; // of the transaction that is told

    // the piece that grows
    private List<LoggedEvent> _events = [];
    private WalPosition _told;
    private NpgsqlLogSequenceNumber? _end;
    private Heartbeat? _passed;

    /// <summary>Hands over what the slot tells, for ever: all that has come by then at once. It waits while nobody takes it.</summary>
    public async Task ReadAsync(ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        await using var visibility = await Visibility.OpenAsync(source, cancellation);
        await using var stream = replication.StartLogicalReplication(new PgOutputReplicationSlot(slot), cancellation, options: PgOutput.OptionsFor(Publication)).GetAsyncEnumerator(cancellation);
        while (await NextAsync(stream, pieces, cancellation))
        {
            var message = await WholeAsync(stream.Current.Data);
            if (message.Span[0] == PgOutput.Begin)
            {
                await UntilShownAsync(TransactionIn(message.Span), visibility, pieces, cancellation);
            }
            Follow(message.Span);
            if (message.Span[0] == PgOutput.StreamCommit)
            {
                await EndRunningAsync(message, visibility, pieces, cancellation);
            }
            if (_events.Count >= pieceSize)
            {
                await pieces.WriteAsync(TakePiece(), cancellation);
            }
        }
    }

    // before it waits for more, what has come is handed over
    private async ValueTask<bool> NextAsync(IAsyncEnumerator<XLogDataMessage> stream, ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        var next = stream.MoveNextAsync();
        if (next.IsCompleted || (_events.Count == 0 && _end is null))
        {
            return await next;
        }
        var more = next.AsTask();
        try
        {
            await pieces.WriteAsync(TakePiece(), cancellation);
        }
        catch (OperationCanceledException)
        {
            await ((Task)more).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // a stream cannot be left in the middle of a step
            throw;
        }
        return await more;
    }

    // what came before it does not wait with it
    private async ValueTask UntilShownAsync(uint transaction, Visibility visibility, ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        if (!visibility.Shows(transaction))
        {
            await HandOverAsync(pieces, cancellation);
            await visibility.UntilShownAsync(transaction, cancellation);
        }
    }

    private async ValueTask HandOverAsync(ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        if (_events.Count > 0 || _end is not null)
        {
            await pieces.WriteAsync(TakePiece(), cancellation);
        }
    }

    private WalPiece TakePiece()
    {
        var piece = new WalPiece(_events, _events.Count > 0 ? _told : null, _end, _passed);
        (_events, _end, _passed) = ([], null, null);
        return piece;
    }

    // the stream's own token ends it: one for each message would cost more than the message
    private async ValueTask<ReadOnlyMemory<byte>> WholeAsync(Stream message)
    {
        var length = (int)message.Length;
        if (length > _buffer.Length)
        {
            _buffer = new byte[Math.Max(length, 2 * _buffer.Length)];
        }
        await message.ReadExactlyAsync(_buffer.AsMemory(0, length), CancellationToken.None);
        return _buffer.AsMemory(0, length);
    }

    private void Follow(ReadOnlySpan<byte> bytes)
    {
        var message = new PgOutput(bytes);
        switch (message.Kind)
        {
            case PgOutput.Insert when _running is null:
                if (IsNext())
                {
                    message.Skip(RowHeaderLength);
                    Add(EventIn(ref message));
                }
                break;
            case PgOutput.Begin:
                (_position, _heartbeat) = (new WalPosition(message.Lsn(), 0), null);
                break;
            case PgOutput.Commit:
                message.Skip(FlagsLength + LsnLength);
                End(message.Lsn(), _heartbeat);
                break;
            case PgOutput.Message:
                HearHeartbeat(ref message);
                break;
            default:
                FollowRunning(ref message);
                break;
        }
    }

    // counts an event of the transaction that is told, and says whether it is still to be published
    private bool IsNext()
    {
        _position = _position with { Ordinal = _position.Ordinal + 1 };
        return !_position.IsUpTo(done);
    }

    private void Add(LoggedEvent logged)
    {
        _events.Add(logged);
        _told = _position;
    }

    private void End(NpgsqlLogSequenceNumber end, Heartbeat? heartbeat) => (_end, _passed) = (end, heartbeat ?? _passed);

    private void HearHeartbeat(ref PgOutput message)
    {
        message.Skip((_running is null ? 0 : sizeof(uint)) + FlagsLength + LsnLength);
        if (message.Name().SequenceEqual(Heartbeat.PrefixBytes))
        {
            var heartbeat = Heartbeat.Parse(message.Take(message.Int32()));
            _ = _running is null ? _heartbeat = heartbeat : _running.Heartbeat = heartbeat;
        }
    }

    private void FollowRunning(ref PgOutput message)
    {
        switch (message.Kind)
        {
            case PgOutput.StreamStart:
                var id = message.TransactionId();
                _running = _transactions.TryGetValue(id, out var known) ? known : _transactions[id] = new RunningTransaction();
                break;
            case PgOutput.Insert when _running is { TransactionId: null }:
                message.Skip(sizeof(uint) + RowHeaderLength);
                _ = message.Column(); // position
                _running.TransactionId = (ulong)message.Int64Column();
                break;
            case PgOutput.StreamStop:
                _running = null;
                break;
            case PgOutput.StreamAbort:
                var (top, aborted) = (message.TransactionId(), message.TransactionId());
                if (top == aborted)
                {
                    _transactions.Remove(top);
                }
                break;
        }
    }

    private async Task EndRunningAsync(ReadOnlyMemory<byte> bytes, Visibility visibility, ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        var (transaction, commit, end) = StreamCommitIn(bytes.Span);
        await UntilShownAsync(transaction, visibility, pieces, cancellation);
        _transactions.Remove(transaction, out var ended);
        _position = new WalPosition(commit, 0);
        if (ended?.TransactionId is { } transactionId)
        {
            await HandOverFromLogAsync(transactionId, pieces, cancellation);
        }
        End(end, ended?.Heartbeat);
    }

    // Positions rise as rows are inserted, so this is the order in which the slot would have told them: it may do so the next time.
    private async Task HandOverFromLogAsync(ulong transactionId, ChannelWriter<WalPiece> pieces, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var last = 0L;
        IReadOnlyList<LoggedEvent> piece;
        do
        {
            piece = await PieceAsync(connection, transactionId, last, cancellation);
            foreach (var logged in piece)
            {
                last = logged.Position;
                if (IsNext())
                {
                    Add(logged);
                }
            }
            await HandOverAsync(pieces, cancellation);
        }
        while (piece.Count == pieceSize);
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

    private static uint TransactionIn(ReadOnlySpan<byte> begin)
    {
        var message = new PgOutput(begin);
        message.Skip(LsnLength + TimeLength);
        return message.TransactionId();
    }

    private static (uint Transaction, NpgsqlLogSequenceNumber Commit, NpgsqlLogSequenceNumber End) StreamCommitIn(ReadOnlySpan<byte> bytes)
    {
        var message = new PgOutput(bytes);
        var transaction = message.TransactionId();
        message.Skip(FlagsLength);
        return (transaction, message.Lsn(), message.Lsn());
    }

    private static LoggedEvent EventIn(ref PgOutput row)
    {
        var position = row.Int64Column();
        _ = row.Column(); // transaction_id
        return new LoggedEvent(
            position, row.TextColumn(), row.Int32Column(), row.GuidColumn(), row.TextColumn(), row.TextColumn(), row.TextColumn(), row.TimeColumn(), row.TimeColumn(), row.NullableTextColumn(), row.Column().ToArray());
    }

    /// <summary>A transaction that is told while it runs.</summary>
    private sealed class RunningTransaction
    {
        /// <summary>As its rows have it, the same for all its subtransactions; null while no row of the log has come.</summary>
        public ulong? TransactionId { get; set; }

        public Heartbeat? Heartbeat { get; set; }
    }
}
