using System.Globalization;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Operations;

/// <summary>Which dead letters; null means any.</summary>
internal sealed record DeadLetterFilter(string? Consumer, string? Topic, string? Key, DeadLetterState? State);

/// <summary>The table dead_letter (migration orders/0007) as operators see it. What consumers do with it: OrderPlatform.Consuming/DeadLetters.</summary>
internal static class DeadLetterStore
{
    private const string Relay = "relay";
    private const string Columns = "id, consumer, topic, partition, record_offset, key, state, error, attempts, parked_at, closed_at";

    /// <summary>Letters before an id, newest first.</summary>
    public static async Task<IReadOnlyList<DeadLetter>> ListAsync(NpgsqlConnection connection, DeadLetterFilter filter, long before, int limit, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT {Columns} FROM dead_letter
            WHERE id < $1 AND ($2 IS NULL OR consumer = $2) AND ($3 IS NULL OR topic = $3) AND ($4 IS NULL OR key = $4) AND ($5 IS NULL OR state = $5)
            ORDER BY id DESC LIMIT $6
            """,
            connection)
        {
            Parameters = { new() { Value = before }, Text(filter.Consumer), Text(filter.Topic), Text(filter.Key), Text(filter.State?.ToString().ToLowerInvariant()), new() { Value = limit } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var letters = new List<DeadLetter>();
        while (await reader.ReadAsync(cancellation))
        {
            letters.Add(LetterOf(reader));
        }
        return letters;
    }

    /// <summary>A letter with all that is known of it.</summary>
    /// <exception cref="ProblemException">404.</exception>
    public static async Task<InspectedDeadLetter> InspectAsync(NpgsqlConnection connection, string id, CancellationToken cancellation)
    {
        var number = NumberOf(id);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new($"SELECT {Columns}, header_names, header_values, value, edited_value FROM dead_letter WHERE id = $1") { Parameters = { new() { Value = number } } },
                new("SELECT at, action, by, reason FROM dead_letter_history AS told WHERE letter = $1 ORDER BY told.id") { Parameters = { new() { Value = number } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
        {
            throw NotFound(id);
        }
        var (letter, value) = (LetterOf(reader), Bytes(reader, 13));
        var json = JsonOf(value);
        var inspected = new InspectedDeadLetter(letter)
        {
            Headers = [.. reader.GetFieldValue<string[]>(11).Zip(reader.GetFieldValue<byte[]?[]>(12), (name, text) => new DeadLetterHeader(name, text is null ? null : Encoding.UTF8.GetString(text)))],
            Value = json,
            ValueBase64 = json is null && value is not null ? Convert.ToBase64String(value) : null,
            EditedValue = JsonOf(Bytes(reader, 14)),
            History = [],
        };
        await reader.NextResultAsync(cancellation);
        var history = new List<DeadLetterAction>();
        while (await reader.ReadAsync(cancellation))
        {
            history.Add(new DeadLetterAction(
                reader.GetFieldValue<DateTimeOffset>(0), Enum.Parse<DeadLetterActionKind>(reader.GetString(1), ignoreCase: true), reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3)));
        }
        return inspected with { History = history };
    }

    /// <summary>Locks a letter, which must be open and the first of its key: only that one can be decided on.</summary>
    /// <exception cref="ProblemException">404; 409 when it is closed, behind another one, or on its way.</exception>
    public static async Task<InspectedDeadLetter> LockFirstAsync(NpgsqlConnection connection, string id, CancellationToken cancellation)
    {
        await using (var lockIt = new NpgsqlCommand("SELECT FROM dead_letter WHERE id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = NumberOf(id) } } })
        {
            await lockIt.ExecuteNonQueryAsync(cancellation);
        }
        var letter = await InspectAsync(connection, id, cancellation);
        if (letter.State is DeadLetterState.Redriven or DeadLetterState.Discarded)
        {
            throw Conflict($"The letter is {letter.State} already.");
        }
        if (await FirstAsync(connection, letter, cancellation) is var first && first != letter.Id)
        {
            throw Conflict($"Another letter of its key stands before it. Redrive or discard letter {first} first.");
        }
        // the relay publishes it within a second, and what is published cannot be taken back
        return letter is { Consumer: Relay, State: DeadLetterState.Waiting } ? throw Conflict("The event is being published. Look at it again in a moment.") : letter;
    }

    /// <summary>The consumer gets the letter again: a new redrive, so that a copy of an earlier one is out of date.</summary>
    /// <param name="edited">The value to redrive; null leaves it as it is.</param>
    public static Task RedriveAsync(NpgsqlConnection connection, DeadLetter letter, byte[]? edited, string by, string reason, CancellationToken cancellation) => ChangeAsync(
        connection,
        new NpgsqlBatchCommand("UPDATE dead_letter SET state = 'waiting', redrive = redrive + 1, sent_at = NULL, edited_value = coalesce($2, edited_value) WHERE id = $1")
        {
            Parameters = { new() { Value = NumberOf(letter.Id) }, new() { Value = (object?)edited ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bytea } },
        },
        letter, "redriveRequested", by, reason, cancellation);

    /// <summary>The consumer never gets the letter.</summary>
    public static Task DiscardAsync(NpgsqlConnection connection, DeadLetter letter, string by, string reason, CancellationToken cancellation) => ChangeAsync(
        connection,
        new NpgsqlBatchCommand("UPDATE dead_letter SET state = 'discarded', closed_at = now() WHERE id = $1") { Parameters = { new() { Value = NumberOf(letter.Id) } } },
        letter, "discarded", by, reason, cancellation);

    private static async Task ChangeAsync(NpgsqlConnection connection, NpgsqlBatchCommand change, DeadLetter letter, string action, string by, string reason, CancellationToken cancellation)
    {
        var told = new NpgsqlBatchCommand("INSERT INTO dead_letter_history (letter, action, by, reason) VALUES ($1, $2, $3, $4)")
        {
            Parameters = { new() { Value = NumberOf(letter.Id) }, new() { Value = action }, new() { Value = by }, new() { Value = reason } },
        };
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { change, told } };
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task<string> FirstAsync(NpgsqlConnection connection, DeadLetter letter, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            "SELECT id::text FROM dead_letter WHERE consumer = $1 AND topic = $2 AND key = $3 AND state IN ('failed', 'waiting') ORDER BY record_offset LIMIT 1", connection)
        {
            Parameters = { new() { Value = letter.Consumer }, new() { Value = letter.Topic }, new() { Value = letter.Key } },
        };
        return (string)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private static long NumberOf(string id) => long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw NotFound(id);

    private static ProblemException NotFound(string id) => ProblemException.NotFound($"dead letter {id}");

    private static ProblemException Conflict(string detail) => new(StatusCodes.Status409Conflict, detail);

    private static DeadLetter LetterOf(NpgsqlDataReader reader)
    {
        var isRelays = reader.GetString(1) == Relay;
        return new DeadLetter(
            $"{reader.GetInt64(0)}", reader.GetString(1), reader.GetString(2), isRelays ? null : reader.GetInt32(3), isRelays ? null : reader.GetInt64(4), reader.GetString(5),
            Enum.Parse<DeadLetterState>(reader.GetString(6), ignoreCase: true), reader.GetString(7), reader.GetInt32(8), reader.GetFieldValue<DateTimeOffset>(9), reader.IsDBNull(10) ? null : reader.GetFieldValue<DateTimeOffset>(10));
    }

    private static byte[]? Bytes(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<byte[]>(column);

    private static JsonElement? JsonOf(byte[]? value)
    {
        try
        {
            return value is null ? null : JsonElement.Parse(value);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };
}
