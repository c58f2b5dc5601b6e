using System.Text;
using Confluent.Kafka;
using Npgsql;
using NpgsqlTypes;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>One consumer's letters in the table dead_letter (migration orders/0007). Every call can be repeated.</summary>
internal sealed class DeadLetterTable(NpgsqlDataSource orders, string consumer)
{
    private const int MaxErrorLength = 2000;

    // an open letter of the same key that stands before the row "letter"
    private const string Earlier =
        """
        SELECT FROM dead_letter AS earlier WHERE earlier.consumer = letter.consumer AND earlier.topic = letter.topic AND earlier.key = letter.key
        AND earlier.state IN ('failed', 'waiting') AND earlier.record_offset < letter.record_offset
        """;

    /// <summary>The keys that have open letters.</summary>
    public async Task ReadParkedKeysAsync(Action<string, string> add, CancellationToken cancellation)
    {
        await using var command = Command("SELECT DISTINCT topic, key FROM dead_letter WHERE consumer = $1 AND state IN ('failed', 'waiting')");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            add(reader.GetString(0), reader.GetString(1));
        }
    }

    /// <summary>When the oldest open letter of each partition was published.</summary>
    public async Task<Dictionary<TopicPartition, DateTimeOffset>> OldestAsync(CancellationToken cancellation)
    {
        await using var command = Command("SELECT topic, partition, min(published_at) FROM dead_letter WHERE consumer = $1 AND state IN ('failed', 'waiting') GROUP BY topic, partition");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var oldest = new Dictionary<TopicPartition, DateTimeOffset>();
        while (await reader.ReadAsync(cancellation))
        {
            oldest[new TopicPartition(reader.GetString(0), reader.GetInt32(1))] = reader.GetFieldValue<DateTimeOffset>(2);
        }
        return oldest;
    }

    /// <summary>The last offset of each partition that is a letter, open or closed.</summary>
    public async Task<Dictionary<TopicPartition, long>> LastOffsetsAsync(CancellationToken cancellation)
    {
        await using var command = Command("SELECT topic, partition, max(record_offset) FROM dead_letter WHERE consumer = $1 GROUP BY topic, partition");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var last = new Dictionary<TopicPartition, long>();
        while (await reader.ReadAsync(cancellation))
        {
            last[new TopicPartition(reader.GetString(0), reader.GetInt32(1))] = reader.GetInt64(2);
        }
        return last;
    }

    /// <summary>Which of these places are letters, open or closed.</summary>
    public async Task<HashSet<TopicPartitionOffset>> LettersAsync(IReadOnlyCollection<TopicPartitionOffset> places, CancellationToken cancellation)
    {
        await using var command = Command("SELECT topic, partition, record_offset FROM dead_letter JOIN unnest($2, $3, $4) AS place (topic, partition, record_offset) USING (topic, partition, record_offset) WHERE consumer = $1");
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. places.Select(place => place.Topic)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. places.Select(place => place.Partition.Value)] });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. places.Select(place => place.Offset.Value)] });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var letters = new HashSet<TopicPartitionOffset>();
        while (await reader.ReadAsync(cancellation))
        {
            letters.Add(new TopicPartitionOffset(reader.GetString(0), reader.GetInt32(1), reader.GetInt64(2)));
        }
        return letters;
    }

    /// <summary>Whether an open letter of the record's key stands before it.</summary>
    public async Task<bool> StandsBehindAsync(ArrivedRecord record, CancellationToken cancellation)
    {
        await using var command = Command("SELECT EXISTS (SELECT FROM dead_letter WHERE consumer = $1 AND topic = $2 AND key = $3 AND state IN ('failed', 'waiting') AND record_offset < $4)");
        command.Parameters.AddRange((NpgsqlParameter[])[Value(record.Source.Topic), Value(record.Key), Value(record.Source.Offset.Value)]);
        return (bool)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>Parks a record behind the open letters of its key.</summary>
    /// <returns>False when there are none any more: the record is free.</returns>
    public async Task<bool> TryInsertWaitingAsync(ArrivedRecord record, CancellationToken cancellation)
    {
        await using var command = Insert(record, "waiting", "An earlier record of this key is parked.", "WHERE EXISTS (SELECT FROM dead_letter WHERE consumer = $1 AND topic = $2 AND key = $5 AND state IN ('failed', 'waiting') AND record_offset < $4)");
        return (bool)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>Parks a record that failed, and its key with it.</summary>
    public async Task InsertFailedAsync(ArrivedRecord record, string error, CancellationToken cancellation)
    {
        await using var command = Insert(record, "failed", error, "");
        await command.ExecuteScalarAsync(cancellation);
    }

    /// <summary>
    /// Lets a copy through when it is the one of now and nothing of its key stands before it, and closes the letter with that
    /// copy's offset; read again, the same copy is let through again. One that comes before its turn is sent again when it is due.
    /// </summary>
    public async Task<bool> TryTakeAsync(RedrivenCopy copy, long offset, CancellationToken cancellation)
    {
        const string ThisCopy = "id = $2 AND consumer = $1 AND (state = 'waiting' AND redrive = $3 OR state = 'redriven' AND redriven_offset = $4)";
        await using var take = Command(
            $"""
            WITH taken AS (
                UPDATE dead_letter AS letter SET state = 'redriven', redriven_offset = $4, closed_at = now()
                WHERE {ThisCopy} AND NOT EXISTS ({Earlier}) RETURNING id),
            told AS (
                INSERT INTO dead_letter_history (letter, action, by)
                SELECT id, 'redriven', $1 FROM taken JOIN dead_letter AS before USING (id) WHERE before.state = 'waiting')
            SELECT EXISTS (SELECT FROM taken)
            """);
        take.Parameters.AddRange((NpgsqlParameter[])[Value(copy.Letter), Value(copy.Redrive), Value(offset)]);
        if ((bool)(await take.ExecuteScalarAsync(cancellation))!)
        {
            return true;
        }
        await using var again = Command($"UPDATE dead_letter SET state = 'waiting', redrive = redrive + 1, sent_at = NULL, redriven_offset = NULL, closed_at = NULL WHERE {ThisCopy}");
        again.Parameters.AddRange((NpgsqlParameter[])[Value(copy.Letter), Value(copy.Redrive), Value(offset)]);
        await again.ExecuteNonQueryAsync(cancellation);
        return false;
    }

    /// <summary>How often a letter has failed.</summary>
    public async Task<int> AttemptsAsync(long letter, CancellationToken cancellation)
    {
        await using var command = Command("SELECT attempts FROM dead_letter WHERE consumer = $1 AND id = $2");
        command.Parameters.Add(Value(letter));
        return (int)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>A copy failed again: its letter is open at its old place, and copies of the letters behind it are out of date.</summary>
    /// <param name="offset">The copy's offset; null for one that Kafka has refused.</param>
    public async Task FailAgainAsync(RedrivenCopy copy, long? offset, string error, CancellationToken cancellation)
    {
        await using var command = Command(
            """
            WITH failed AS (
                UPDATE dead_letter SET state = 'failed', attempts = attempts + 1, error = $5, redrive = redrive + 1, sent_at = NULL, redriven_offset = NULL, closed_at = NULL
                WHERE id = $2 AND consumer = $1 AND redrive = $3 AND (state = 'waiting' AND $4 IS NULL OR state = 'redriven' AND redriven_offset = $4)
                RETURNING id, topic, key, record_offset),
            behind AS (
                UPDATE dead_letter AS letter SET redrive = redrive + 1, sent_at = NULL FROM failed
                WHERE letter.consumer = $1 AND letter.topic = failed.topic AND letter.key = failed.key AND letter.state = 'waiting' AND letter.record_offset > failed.record_offset AND letter.sent_at IS NOT NULL)
            INSERT INTO dead_letter_history (letter, action, by, reason) SELECT id, 'failedAgain', $1, $5 FROM failed
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[Value(copy.Letter), Value(copy.Redrive), new() { Value = (object?)offset ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint }, Value(Storable(error))]);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Letters whose turn it is, in order: none of their key that failed stands before them, and their copy is not sent yet.</summary>
    public async Task<IReadOnlyList<DueLetter>> DueAsync(IReadOnlyCollection<TopicPartition> partitions, int limit, CancellationToken cancellation)
    {
        await using var command = Command(
            """
            SELECT id, redrive, topic, partition, record_key, header_names, header_values, coalesce(edited_value, value) FROM dead_letter AS letter
            WHERE consumer = $1 AND state = 'waiting' AND sent_at IS NULL AND (topic, partition) IN (SELECT * FROM unnest($2, $3))
            AND NOT EXISTS (SELECT FROM dead_letter AS earlier WHERE earlier.consumer = letter.consumer AND earlier.topic = letter.topic AND earlier.key = letter.key
                AND earlier.state = 'failed' AND earlier.record_offset < letter.record_offset)
            ORDER BY topic, partition, record_offset LIMIT $4
            """);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. partitions.Select(partition => partition.Topic)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. partitions.Select(partition => partition.Partition.Value)] });
        command.Parameters.Add(Value(limit));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<DueLetter>();
        while (await reader.ReadAsync(cancellation))
        {
            due.Add(new DueLetter(
                new RedrivenCopy(consumer, reader.GetInt64(0), reader.GetInt32(1)), new TopicPartition(reader.GetString(2), reader.GetInt32(3)), Bytes(reader, 4),
                [.. reader.GetFieldValue<string[]>(5).Zip(reader.GetFieldValue<byte[]?[]>(6))], Bytes(reader, 7)));
        }
        return due;
    }

    /// <summary>Kafka has the letter's copy of that number.</summary>
    public async Task SentAsync(RedrivenCopy copy, CancellationToken cancellation)
    {
        await using var command = Command("UPDATE dead_letter SET sent_at = now() WHERE id = $2 AND consumer = $1 AND redrive = $3 AND state = 'waiting'");
        command.Parameters.AddRange((NpgsqlParameter[])[Value(copy.Letter), Value(copy.Redrive)]);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    // true: it is a letter, by this call or an earlier one
    private NpgsqlCommand Insert(ArrivedRecord record, string state, string error, string condition)
    {
        var command = Command(
            $"""
            WITH parked AS (
                INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, record_key, header_names, header_values, value, published_at, state, error, attempts)
                SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 {condition}
                ON CONFLICT (consumer, topic, partition, record_offset) DO NOTHING RETURNING id),
            told AS (INSERT INTO dead_letter_history (letter, action, by, reason) SELECT id, 'parked', $1, $12 FROM parked)
            SELECT EXISTS (SELECT FROM parked) OR EXISTS (SELECT FROM dead_letter WHERE consumer = $1 AND topic = $2 AND partition = $3 AND record_offset = $4)
            """);
        var message = record.Consumed.Message;
        command.Parameters.AddRange((NpgsqlParameter[])
        [
            Value(record.Source.Topic), Value(record.Source.Partition.Value), Value(record.Source.Offset.Value), Value(record.Key), Bytea(message.Key),
            new NpgsqlParameter<string[]> { TypedValue = [.. message.Headers.Select(header => header.Key)] },
            new NpgsqlParameter<byte[]?[]> { TypedValue = [.. message.Headers.Select(header => header.GetValueBytes())], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
            Bytea(message.Value), Value(record.PublishedAt), Value(state), Value(Storable(error)), Value(state == "failed" ? 1 : 0),
        ]);
        return command;
    }

    private NpgsqlCommand Command(string sql)
    {
        var command = orders.CreateCommand(sql);
        command.Parameters.Add(Value(consumer));
        return command;
    }

    // PostgreSQL's text has no zero byte, and no half of a surrogate pair
    private static string Storable(string text) =>
        Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Length > MaxErrorLength ? text[..MaxErrorLength] : text)).Replace('\0', '\uFFFD');

    private static NpgsqlParameter Value(object value) => new() { Value = value };

    private static NpgsqlParameter Bytea(byte[]? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bytea };

    private static byte[]? Bytes(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<byte[]>(column);
}

/// <summary>A letter whose copy is to be published.</summary>
internal sealed record DueLetter(RedrivenCopy Copy, TopicPartition Partition, byte[]? Key, IReadOnlyList<(string Name, byte[]? Value)> Headers, byte[]? Value);
