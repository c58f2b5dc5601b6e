using System.Data;
using System.Runtime.CompilerServices;
using Npgsql;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Tables;

/// <summary>Rows to publish, and how far the snapshots of the tables are once they are.</summary>
internal sealed record InitialChunk(IReadOnlyList<TableChange> Rows, IReadOnlyList<TableSnapshot> After);

/// <summary>
/// The rows of all captured tables as a new slot's exported snapshot shows them: exactly what the slot does not tell. When it breaks off,
/// the exported snapshot is gone, and what is left is read incrementally.
/// </summary>
/// <param name="exported">The snapshot's name.</param>
/// <param name="consistent">The place in the WAL that it shows: the slot tells what is committed from there on.</param>
internal sealed class InitialSnapshot(NpgsqlDataSource source, string exported, NpgsqlLogSequenceNumber consistent, int chunkSize, TimeProvider clock)
{
    /// <summary>All rows, table by table.</summary>
    public async IAsyncEnumerable<InitialChunk> ReadAsync(IReadOnlyList<TableSnapshot> tables, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var rows = new List<TableChange>();
        SnapshotRow? before = null, last = null;
        // one row behind: only the next one tells whether a row is the last of its table, or of all
        await foreach (var next in RowsAsync(tables, cancellation))
        {
            if (last is not null)
            {
                rows.Add(Change(before, last, next));
                if (rows.Count == chunkSize)
                {
                    yield return new InitialChunk(rows, Progress(tables, last));
                    rows = [];
                }
            }
            (before, last) = (last, next);
        }
        if (last is not null)
        {
            rows.Add(Change(before, last, next: null));
        }
        yield return new InitialChunk(rows, Progress(tables, last: null));
    }

    private async IAsyncEnumerable<SnapshotRow> RowsAsync(IReadOnlyList<TableSnapshot> tables, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using (var show = new NpgsqlCommand($"SET TRANSACTION SNAPSHOT '{exported}'; {PostgresText.SetLocal}", connection))
        {
            await show.ExecuteNonQueryAsync(cancellation);
        }
        foreach (var table in tables)
        {
            var key = await TableReader.KeyAsync(connection, table.Table, cancellation);
            string[]? after = null;
            TableChunk chunk;
            do
            {
                chunk = await TableReader.ChunkAsync(connection, table.Table, key, after, chunkSize, cancellation);
                foreach (var row in chunk.Rows)
                {
                    yield return new SnapshotRow(table.Table, key, row, after = [.. key.Select(column => row[column.Name]!)]);
                }
            }
            while (chunk.HasMore);
        }
        await transaction.RollbackAsync(cancellation);
    }

    private TableChange Change(SnapshotRow? before, SnapshotRow row, SnapshotRow? next) => new(
        row.Table, Operation.Read, [.. row.Key.Select(column => column.Name)], null, row.Row,
        new ChangeSource(clock.GetUtcNow(), Marker(before, row, next), consistent, consistent, null));

    // as Debezium's SnapshotRecord
    private static string Marker(SnapshotRow? before, SnapshotRow row, SnapshotRow? next) =>
        next is null ? "last"
        : before is null ? "first"
        : next.Table != row.Table ? "last_in_data_collection"
        : before.Table != row.Table ? "first_in_data_collection"
        : "true";

    private static IReadOnlyList<TableSnapshot> Progress(IReadOnlyList<TableSnapshot> tables, SnapshotRow? last) =>
        [
            .. tables.TakeWhile(table => table.Table != last?.Table).Select(table => table with { Phase = SnapshotPhase.Deletes, After = null }),
            .. tables.Where(table => table.Table == last?.Table).Select(table => table with { After = last!.Place }),
        ];

    /// <param name="Place">The values of its primary key.</param>
    private sealed record SnapshotRow(TableName Table, IReadOnlyList<KeyColumn> Key, TableRow Row, string[] Place);
}
