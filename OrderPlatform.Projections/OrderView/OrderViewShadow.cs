using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.Rebuilding;

namespace OrderPlatform.Projections.OrderView;

/// <summary>The order view in a second table, which is renamed in one transaction with the progress. Its indexes are made when all rows are in.</summary>
internal sealed class OrderViewShadow : IShadow
{
    private const string Suffix = "_rebuild";
    private const string Table = OrderViewTable.Live + Suffix;

    // a reader that takes longer keeps the swap waiting, and the swap may keep no other reader waiting for longer
    private const string LockTimeout = "SET LOCAL lock_timeout = '500ms'";

    private readonly NpgsqlDataSource _views;
    private readonly string _name;

    public OrderViewShadow(NpgsqlDataSource views, ILogger<OrderViewProjection> log, Guid rebuild)
    {
        _views = views;
        _name = $"{RebuildableProjections.OrderView}#{rebuild:N}";
        Sink = new OrderViewProjection(views, log, _name, new OrderViewTable(Table)) { MaxBatch = 10_000 };
    }

    public ISink Sink { get; }

    public async Task CreateAsync(CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        // the comment tells whose it is: what another rebuild has left is no beginning of this one
        if (await ScalarAsync(connection, $"SELECT obj_description(to_regclass('{Table}'))", cancellation) as string != _name)
        {
            await ExecuteAsync(connection, $"DROP TABLE IF EXISTS {Table}; DELETE FROM projection_progress WHERE projection LIKE '{RebuildableProjections.OrderView}#%'", cancellation);
            await ExecuteAsync(connection, $"CREATE TABLE {Table} (LIKE {OrderViewTable.Live} INCLUDING ALL EXCLUDING INDEXES) WITH (fillfactor = {OrderViewTable.FillFactor}); ALTER TABLE {Table} ADD CONSTRAINT {Table}_pkey PRIMARY KEY (order_id); COMMENT ON TABLE {Table} IS '{_name}'", cancellation);
        }
        await transaction.CommitAsync(cancellation);
    }

    public Task FlushAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation) => PostgresProgress.SkipToAsync(_views, _name, Sink.Topics[0], offsets, cancellation);

    public async Task CompleteAsync(CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        foreach (var (index, definition) in await IndexesAsync(connection, cancellation))
        {
            var own = definition.Replace($"INDEX {index} ON", $"INDEX IF NOT EXISTS {index}{Suffix} ON", StringComparison.Ordinal).Replace($".{OrderViewTable.Live} ", $".{Table} ", StringComparison.Ordinal);
            await ExecuteAsync(connection, own, cancellation);
        }
        await ExecuteAsync(connection, $"ANALYZE {Table}", cancellation);
    }

    public Task<StoreSummary> SummarizeLiveAsync(CancellationToken cancellation) => SummarizeAsync(RebuildableProjections.OrderView, OrderViewTable.Live, cancellation);

    public Task<StoreSummary> SummarizeAsync(CancellationToken cancellation) => SummarizeAsync(_name, Table, cancellation);

    public async Task<bool> IsSwappedAsync(CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        return await ScalarAsync(connection, $"SELECT to_regclass('{Table}') IS NULL", cancellation) is true;
    }

    public async Task<bool> TrySwapAsync(Func<IReadOnlyDictionary<int, long>, Task> advanceAsync, CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        try
        {
            // the live consumer begins each write with its progress: it waits until the commit
            await ExecuteAsync(connection, $"{LockTimeout}; SELECT FROM projection_progress WHERE projection = '{RebuildableProjections.OrderView}' ORDER BY topic, partition FOR UPDATE", cancellation);
            await advanceAsync(OffsetsOf(await PostgresProgress.LoadAsync(connection, RebuildableProjections.OrderView, cancellation)));
            var indexes = await IndexesAsync(connection, cancellation);
            await ExecuteAsync(
                connection,
                $"""
                DROP TABLE {OrderViewTable.Live};
                ALTER TABLE {Table} RENAME TO {OrderViewTable.Live};
                COMMENT ON TABLE {OrderViewTable.Live} IS NULL;
                ALTER INDEX {Table}_pkey RENAME TO {OrderViewTable.Live}_pkey;
                {string.Concat(indexes.Select(index => $"ALTER INDEX {index.Name}{Suffix} RENAME TO {index.Name};"))}
                DELETE FROM projection_progress WHERE projection = '{RebuildableProjections.OrderView}' OR (projection = '{_name}' AND partition < 0);
                UPDATE projection_progress SET projection = '{RebuildableProjections.OrderView}' WHERE projection = '{_name}'
                """,
                cancellation);
            await transaction.CommitAsync(cancellation);
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return false; // a long search: it is tried again
        }
    }

    public async Task DropAsync(CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        await ExecuteAsync(connection, $"DROP TABLE IF EXISTS {Table}; DELETE FROM projection_progress WHERE projection = '{_name}'", cancellation);
    }

    // count, money and hash belong to the progress: one snapshot has all of them
    private async Task<StoreSummary> SummarizeAsync(string projection, string table, CancellationToken cancellation)
    {
        await using var connection = await _views.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, projection, cancellation);
        await using var command = new NpgsqlCommand(
            $"""
            SELECT count(*), coalesce(sum(total_amount) FILTER (WHERE status <> 'Cancelled'), 0),
                   coalesce(sum(hashtextextended(concat_ws('|', order_id, customer_id, currency, status, total_amount, version, items, extract(epoch FROM created_at), extract(epoch FROM updated_at), search_text), 0)::numeric), 0)::text
            FROM {table}
            """,
            connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new StoreSummary(OffsetsOf(progress), reader.GetInt64(0), reader.GetDecimal(1), reader.GetString(2));
    }

    private static async Task<IReadOnlyList<(string Name, string Definition)>> IndexesAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = '{OrderViewTable.Live}' AND indexname <> '{OrderViewTable.Live}_pkey'", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var indexes = new List<(string, string)>();
        while (await reader.ReadAsync(cancellation))
        {
            indexes.Add((reader.GetString(0), reader.GetString(1)));
        }
        return indexes;
    }

    private static Dictionary<int, long> OffsetsOf(IReadOnlyDictionary<TopicPartition, long> progress) =>
        progress.Where(partition => partition.Key.Partition.Value >= 0).ToDictionary(partition => partition.Key.Partition.Value, partition => partition.Value);

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellation);
    }

    // an index of a large table takes its time
    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
