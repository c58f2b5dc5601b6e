using System.Threading.Channels;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.PgOutput;
using Npgsql.Replication.PgOutput.Messages;
using NpgsqlTypes;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay.Tables;

/// <summary>What the slot tells next: a change, a watermark, or the end of a transaction.</summary>
/// <param name="Position">Its place; at the end of a transaction that of its last change.</param>
/// <param name="End">Where the transaction ends in the WAL: once all before is published, the slot need not keep it. 0 within one.</param>
/// <param name="Heartbeat">The heartbeat that the transaction was, if it was one.</param>
internal readonly record struct TableEntry(WalPosition Position, TableChange? Change, Watermark? Watermark, NpgsqlLogSequenceNumber End, Heartbeat? Heartbeat);

/// <summary>Reads the changes of tables from a replication slot, in the order of their commits, and within a transaction as they were made; none before PostgreSQL shows it to everybody.</summary>
/// <remarks>
/// Protocol version 1, values as text: a transaction comes whole at its commit. PostgreSQL keeps a large one on its own disk until then
/// (logical_decoding_work_mem) and tells it change by change, so nothing here grows with it.
/// https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
/// </remarks>
/// <param name="done">What the slot tells up to here is published, and left out.</param>
internal sealed class TableWalReader(NpgsqlDataSource source, LogicalReplicationConnection replication, string slot, WalPosition done)
{
    private const string Publication = "orderplatform_tables"; // of migration 0009

    private readonly Dictionary<uint, Relation> _relations = [];
    private WalPosition _position;
    private ChangeSource _begun = null!;
    private Heartbeat? _heartbeat;

    /// <summary>Hands over what the slot tells, for ever. It waits while nobody takes it.</summary>
    public async Task ReadAsync(ChannelWriter<TableEntry> entries, CancellationToken cancellation)
    {
        var options = new PgOutputReplicationOptions(Publication, PgOutputProtocolVersion.V1, binary: false, messages: true);
        await using var visibility = await Visibility.OpenAsync(source, cancellation);
        await foreach (var message in replication.StartReplication(new PgOutputReplicationSlot(slot), options, cancellation))
        {
            switch (message)
            {
                case BeginMessage begin:
                    await visibility.UntilShownAsync(begin.TransactionXid, cancellation);
                    _position = new WalPosition(begin.TransactionFinalLsn, 0);
                    _begun = new ChangeSource(new DateTimeOffset(begin.TransactionCommitTimestamp, TimeSpan.Zero), ChangeSource.Streamed, begin.TransactionFinalLsn, null, begin.TransactionXid);
                    _heartbeat = null;
                    break;
                case RelationMessage relation:
                    _relations[relation.RelationId] = await DescribeAsync(relation, cancellation);
                    break;
                case LogicalDecodingMessage { Prefix: Heartbeat.Prefix } beat:
                    _heartbeat = Heartbeat.Parse(await ContentAsync(beat, cancellation));
                    break;
                case LogicalDecodingMessage { Prefix: Watermark.Prefix } mark:
                    await entries.WriteAsync(new TableEntry(_position, null, Watermark.Parse(await ContentAsync(mark, cancellation)), default, null), cancellation);
                    break;
                case CommitMessage commit:
                    await entries.WriteAsync(new TableEntry(_position, null, null, commit.TransactionEndLsn, _heartbeat), cancellation);
                    break;
                case TruncateMessage truncate:
                    foreach (var relation in truncate.Relations)
                    {
                        await HandOverAsync(relation, Operation.Truncate, null, null, message, entries, cancellation);
                    }
                    break;
                default:
                    await ReadRowAsync(message, entries, cancellation);
                    break;
            }
        }
    }

    private static async Task<byte[]> ContentAsync(LogicalDecodingMessage message, CancellationToken cancellation)
    {
        using var content = new MemoryStream();
        await message.Data.CopyToAsync(content, cancellation);
        return content.ToArray();
    }

    // the rows stand in the stream one after the other: the old one is read first
    private async Task ReadRowAsync(PgOutputReplicationMessage message, ChannelWriter<TableEntry> entries, CancellationToken cancellation)
    {
        switch (message)
        {
            case InsertMessage insert:
                await HandOverAsync(insert.Relation, Operation.Create, null, insert.NewRow, message, entries, cancellation);
                break;
            case FullUpdateMessage update:
                await HandOverAsync(update.Relation, Operation.Update, update.OldRow, update.NewRow, message, entries, cancellation);
                break;
            case IndexUpdateMessage update:
                await HandOverAsync(update.Relation, Operation.Update, update.Key, update.NewRow, message, entries, cancellation);
                break;
            case UpdateMessage update:
                await HandOverAsync(update.Relation, Operation.Update, null, update.NewRow, message, entries, cancellation);
                break;
            case FullDeleteMessage delete:
                await HandOverAsync(delete.Relation, Operation.Delete, delete.OldRow, null, message, entries, cancellation);
                break;
            case KeyDeleteMessage delete:
                await HandOverAsync(delete.Relation, Operation.Delete, delete.Key, null, message, entries, cancellation);
                break;
        }
    }

    private async Task HandOverAsync(
        RelationMessage of, Operation operation, ReplicationTuple? before, ReplicationTuple? after, PgOutputReplicationMessage message, ChannelWriter<TableEntry> entries, CancellationToken cancellation)
    {
        _position = _position with { Ordinal = _position.Ordinal + 1 };
        if (_position.IsUpTo(done))
        {
            return;
        }
        var relation = _relations[of.RelationId];
        var old = before is null ? null : await RowAsync(relation, before, null, cancellation);
        var row = after is null ? null : await RowAsync(relation, after, old, cancellation);
        var change = new TableChange(relation.Table, operation, relation.Key, old, row, _begun with { Lsn = message.WalStart });
        await entries.WriteAsync(new TableEntry(_position, change, null, default, null), cancellation);
    }

    /// <param name="old">Has what the new row does not repeat: a large value that was not changed.</param>
    private static async Task<TableRow> RowAsync(Relation relation, ReplicationTuple tuple, TableRow? old, CancellationToken cancellation)
    {
        var values = new List<string?>(relation.Columns.Count);
        await foreach (var value in tuple.WithCancellation(cancellation))
        {
            values.Add(value.IsDBNull ? null : value.IsUnchangedToastedValue ? old?.Values[values.Count] : await value.Get<string>(cancellation));
        }
        return new TableRow(relation.Columns, values);
    }

    // comes before the first change of a table, and again after each change of its columns
    private async Task<Relation> DescribeAsync(RelationMessage message, CancellationToken cancellation)
    {
        var table = new TableName(message.Namespace, message.RelationName);
        List<TableColumn> columns = [.. message.Columns.Select(column => new TableColumn(column.ColumnName, column.DataTypeId))];
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return new Relation(table, columns, [.. (await TableReader.KeyAsync(connection, table, cancellation)).Select(column => column.Name)]);
    }

    private sealed record Relation(TableName Table, IReadOnlyList<TableColumn> Columns, IReadOnlyList<string> Key);
}
