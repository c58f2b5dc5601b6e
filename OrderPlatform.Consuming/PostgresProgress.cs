using Confluent.Kafka;
using Npgsql;

namespace OrderPlatform.Consuming;

/// <summary>The progress of a projection that lives in PostgreSQL, in the transaction of its data.</summary>
public static class PostgresProgress
{
    /// <summary>The next offset of each partition that has one.</summary>
    public static async Task<IReadOnlyDictionary<TopicPartition, long>> LoadAsync(NpgsqlConnection connection, string projection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT topic, partition, next_offset FROM projection_progress WHERE projection = $1", connection) { Parameters = { new() { Value = projection } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var progress = new Dictionary<TopicPartition, long>();
        while (await reader.ReadAsync(cancellation))
        {
            progress[new TopicPartition(reader.GetString(0), reader.GetInt32(1))] = reader.GetInt64(2);
        }
        return progress;
    }

    /// <summary>
    /// Moves the progress over a batch, first thing in its transaction: the rows' locks keep a second consumer of the same
    /// partitions out until this one has committed, and then its own move fails.
    /// </summary>
    /// <param name="expected">Where each partition stood when this consumer took it over or wrote last; moved on here.</param>
    /// <exception cref="ProgressLostException">It stands elsewhere: somebody else has gone on.</exception>
    public static async Task MoveAsync(NpgsqlConnection connection, string projection, IReadOnlyList<Record> batch, IDictionary<TopicPartition, long> expected, CancellationToken cancellation)
    {
        var moved = batch.GroupBy(record => record.Source.TopicPartition)
            .Select(partition => new Move(partition.Key, expected.TryGetValue(partition.Key, out var from) ? from : 0, partition.Max(record => record.Source.Offset.Value) + 1))
            .OrderBy(move => move.Partition.Topic, StringComparer.Ordinal).ThenBy(move => move.Partition.Partition.Value).ToList();
        await using var moves = new NpgsqlBatch(connection);
        // 0 is both "at the beginning" and "no row yet"
        if (moved.Where(move => move.From == 0).ToList() is { Count: > 0 } first)
        {
            moves.BatchCommands.Add(Command(
                """
                INSERT INTO projection_progress AS progress (projection, topic, partition, next_offset)
                SELECT $1, * FROM unnest($2, $3, $4)
                ON CONFLICT (projection, topic, partition) DO UPDATE SET next_offset = excluded.next_offset WHERE progress.next_offset = 0
                """,
                projection, first, first.Select(move => move.To)));
        }
        if (moved.Where(move => move.From > 0).ToList() is { Count: > 0 } further)
        {
            moves.BatchCommands.Add(Command(
                """
                UPDATE projection_progress AS progress SET next_offset = moved.next_offset
                FROM unnest($2, $3, $4, $5) AS moved (topic, partition, next_offset, expected)
                WHERE progress.projection = $1 AND progress.topic = moved.topic AND progress.partition = moved.partition AND progress.next_offset = moved.expected
                """,
                projection, further, further.Select(move => move.To), further.Select(move => move.From)));
        }
        if (await moves.ExecuteNonQueryAsync(cancellation) != moved.Count)
        {
            throw new ProgressLostException("Its progress was moved by another consumer.");
        }
        foreach (var move in moved)
        {
            expected[move.Partition] = move.To;
        }
    }

    /// <summary>Lets the projection wait, for as long as the connection's transaction is open.</summary>
    public static async Task HoldAsync(NpgsqlConnection connection, string projection, CancellationToken cancellation)
    {
        await using var hold = new NpgsqlCommand("SELECT FROM projection_progress WHERE projection = $1 ORDER BY topic, partition FOR UPDATE", connection) { Parameters = { new() { Value = projection } } };
        await hold.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Moves the progress forward without a batch: what lies between is in the store by another way.</summary>
    public static async Task SkipToAsync(NpgsqlDataSource source, string projection, string topic, IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            INSERT INTO projection_progress AS progress (projection, topic, partition, next_offset) SELECT $1, $2, partition, next_offset FROM unnest($3, $4) AS given (partition, next_offset)
            ON CONFLICT (projection, topic, partition) DO UPDATE SET next_offset = excluded.next_offset WHERE progress.next_offset < excluded.next_offset
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = projection }, new() { Value = topic }, new() { Value = offsets.Keys.ToArray() }, new() { Value = offsets.Values.ToArray() }]);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Sets the progress back, where it is further: the consumer notices, and reads again from there. Repeats drop by their sequence.</summary>
    public static async Task ResetAsync(NpgsqlDataSource source, string projection, IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            UPDATE projection_progress AS progress SET next_offset = given.next_offset FROM unnest($2, $3) AS given (partition, next_offset)
            WHERE progress.projection = $1 AND progress.partition = given.partition AND progress.next_offset > given.next_offset
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = projection }, new() { Value = offsets.Keys.ToArray() }, new() { Value = offsets.Values.ToArray() }]);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static NpgsqlBatchCommand Command(string sql, string projection, List<Move> moves, params IEnumerable<long>[] offsets)
    {
        var command = new NpgsqlBatchCommand(sql)
        {
            Parameters = { new() { Value = projection }, new() { Value = moves.Select(move => move.Partition.Topic).ToArray() }, new() { Value = moves.Select(move => move.Partition.Partition.Value).ToArray() } },
        };
        foreach (var column in offsets)
        {
            command.Parameters.Add(new() { Value = column.ToArray() });
        }
        return command;
    }

    /// <param name="From">Where it stood: what is expected.</param>
    private readonly record struct Move(TopicPartition Partition, long From, long To);
}
