using System.Threading.Channels;
using Npgsql;

namespace OrderPlatform.Relay.Tables;

/// <summary>
/// Snapshots of tables while their changes flow: chunk by chunk between watermarks, first the rows, then deletes of the keys that are
/// published and that the table has no more. One at a time; the stream publishes each chunk at its place.
/// </summary>
/// <param name="kafka">host:port[,host:port].</param>
internal sealed class IncrementalSnapshots(NpgsqlDataSource source, string kafka, int chunkSize, TimeProvider clock, ILogger log)
{
    private readonly Channel<bool> _wanted = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile SnapshotWindow? _window;
    private volatile TableSnapshot? _next;

    /// <summary>The chunk that is being read; null when there is none.</summary>
    public SnapshotWindow? Window => _window;

    /// <summary>A snapshot is wanted.</summary>
    public void Wake() => _wanted.Writer.TryWrite(true);

    /// <summary>Keeps how far the snapshot is with the chunk that was just acknowledged.</summary>
    public Task SaveAsync(TableCheckpoints checkpoints, CancellationToken cancellation) => _next is { } next ? checkpoints.SaveAsync(next, cancellation) : Task.CompletedTask;

    /// <summary>Works on what is wanted, for ever.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (true)
        {
            while (await FirstAsync(cancellation) is { } snapshot)
            {
                RelayLog.SnapshotBegins(log, snapshot.Table.ToString(), snapshot.Phase);
                if (snapshot.Phase == SnapshotPhase.Rows)
                {
                    await ReadRowsAsync(snapshot, cancellation);
                }
                else
                {
                    await ReadDeletesAsync(snapshot, cancellation);
                }
            }
            await _wanted.Reader.ReadAsync(cancellation);
        }
    }

    private async Task<TableSnapshot?> FirstAsync(CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return await TableCheckpoints.SnapshotsAsync(connection, cancellation) is [var first, ..] ? first : null;
    }

    private async Task ReadRowsAsync(TableSnapshot snapshot, CancellationToken cancellation)
    {
        for (var hasMore = true; hasMore;)
        {
            await InWindowAsync(snapshot, async (connection, key) =>
            {
                var chunk = await TableReader.ChunkAsync(connection, snapshot.Table, key, snapshot.After, chunkSize, cancellation);
                hasMore = chunk.HasMore;
                snapshot = hasMore ? snapshot with { After = [.. key.Select(column => chunk.Rows[^1][column.Name]!)] } : snapshot with { Phase = SnapshotPhase.Deletes, After = null };
                _next = snapshot;
                return [.. chunk.Rows.Select(row => Change(snapshot.Table, Operation.Read, key, row))];
            }, cancellation);
        }
    }

    // Rows that went while nothing was told: the slot was lost, or the table was changed behind it.
    private async Task ReadDeletesAsync(TableSnapshot snapshot, CancellationToken cancellation)
    {
        foreach (var piece in (await PublishedKeys.ReadAsync(kafka, snapshot.Table.Topic, cancellation)).Chunk(chunkSize))
        {
            if (await AnyMissingAsync(snapshot.Table, piece, cancellation))
            {
                await InWindowAsync(snapshot, async (connection, key) =>
                {
                    var keys = PublishedKeys.Values(piece, key);
                    var missing = await TableReader.MissingAsync(connection, snapshot.Table, key, keys, cancellation);
                    return [.. missing.Select(index => Change(snapshot.Table, Operation.Delete, key, PublishedKeys.Row(key, keys[index])))];
                }, cancellation);
            }
        }
        await InWindowAsync(snapshot, (_, _) =>
        {
            _next = snapshot with { Phase = SnapshotPhase.Done };
            return Task.FromResult<IReadOnlyList<TableChange>>([]);
        }, cancellation);
    }

    private async Task<bool> AnyMissingAsync(TableName table, IReadOnlyList<string> keys, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var key = await TableReader.KeyAsync(connection, table, cancellation);
        return (await TableReader.MissingAsync(connection, table, key, PublishedKeys.Values(keys, key), cancellation)).Count > 0;
    }

    /// <summary>Reads a chunk between two watermarks and returns once the stream has published it.</summary>
    private async Task InWindowAsync(TableSnapshot snapshot, Func<NpgsqlConnection, IReadOnlyList<KeyColumn>, Task<IReadOnlyList<TableChange>>> readAsync, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var key = await TableReader.KeyAsync(connection, snapshot.Table, cancellation);
        var window = new SnapshotWindow(snapshot.Table, [.. key.Select(column => column.Name)]);
        (_next, _window) = (null, window);
        await new Watermark(window.Id, IsHigh: false).SendAsync(source, cancellation);
        // a change may stand before the watermark and still be hidden: the old row would be published behind the new one
        await window.Opened.WaitAsync(cancellation);
        await using (var transaction = await connection.BeginTransactionAsync(cancellation))
        {
            await ExecuteAsync(connection, PostgresText.SetLocal, cancellation);
            window.Read(await readAsync(connection, key));
            await transaction.RollbackAsync(cancellation);
        }
        await new Watermark(window.Id, IsHigh: true).SendAsync(source, cancellation);
        await window.Published.WaitAsync(cancellation);
        _window = null;
    }

    private TableChange Change(TableName table, Operation operation, IReadOnlyList<KeyColumn> key, TableRow row) => new(
        table, operation, [.. key.Select(column => column.Name)], operation == Operation.Delete ? row : null, operation == Operation.Delete ? null : row,
        new ChangeSource(clock.GetUtcNow(), ChangeSource.Incremental, default, null, null));

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
