using System.Text;
using Npgsql;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay.Publishing;

/// <summary>
/// Events that Kafka refuses, and after them every later event of the same key, in order: the key waits for a redrive,
/// all other keys flow on. They are dead letters of the consumer "relay" (docs/decisions/0011).
/// </summary>
public sealed class ParkedEvents
{
    private const int MaxDue = 100; // published at once: they are in memory

    private HashSet<(string Topic, string Key)> _keys;

    private ParkedEvents(HashSet<(string Topic, string Key)> keys) => _keys = keys;

    /// <summary>Reads which keys are parked.</summary>
    public static async Task<ParkedEvents> LoadAsync(NpgsqlConnection connection, CancellationToken cancellation) => new(await KeysAsync(connection, cancellation));

    /// <summary>Parks what belongs to a parked key and gives the rest.</summary>
    public async Task<IReadOnlyList<LoggedEvent>> FilterAsync(NpgsqlConnection connection, Lease lease, IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        if (_keys.Count == 0)
        {
            return events;
        }
        var free = new List<LoggedEvent>(events.Count);
        foreach (var logged in events)
        {
            if (_keys.Contains((logged.Topic, logged.Key)))
            {
                await ParkAsync(connection, lease, logged, "waiting", "An earlier event of this key is parked.", cancellation);
            }
            else
            {
                free.Add(logged);
            }
        }
        return free;
    }

    /// <summary>Parks an event that Kafka refuses, and with it its key.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written.</exception>
    public Task ParkAsync(NpgsqlConnection connection, Lease lease, LoggedEvent refused, string error, CancellationToken cancellation) =>
        ParkAsync(connection, lease, refused, "failed", error, cancellation);

    /// <summary>Publishes the parked events whose turn it is, in order. Called about once a second.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now.</exception>
    public async Task RedriveAsync(NpgsqlConnection connection, Lease lease, KafkaPublisher publisher, CancellationToken cancellation)
    {
        if (_keys.Count == 0)
        {
            return;
        }
        foreach (var (letter, logged) in await DueAsync(connection, cancellation))
        {
            try
            {
                await publisher.PublishAsync([logged], cancellation);
                await CloseAsync(connection, lease, letter, cancellation);
            }
            catch (EventRefusedException e)
            {
                await FailAgainAsync(connection, lease, letter, e.Message, cancellation);
                publisher.Renew();
                break; // those behind it are not due any more
            }
        }
        _keys = await KeysAsync(connection, cancellation);
    }

    private async Task ParkAsync(NpgsqlConnection connection, Lease lease, LoggedEvent logged, string state, string error, CancellationToken cancellation)
    {
        var headers = KafkaPublisher.HeadersOf(logged);
        await ExecuteAsync(
            connection, lease,
            """
            parked AS (
                INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, record_key, header_names, header_values, value, published_at, state, error, attempts)
                SELECT 'relay', $3, -1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM mine
                ON CONFLICT (consumer, topic, partition, record_offset) DO NOTHING RETURNING id),
            told AS (INSERT INTO dead_letter_history (letter, action, by, reason) SELECT id, 'parked', 'relay', $12 FROM parked)
            """,
            [
                logged.Topic, logged.Position, logged.Key, Encoding.UTF8.GetBytes(logged.Key), headers.Select(header => header.Key).ToArray(),
                headers.Select(header => header.GetValueBytes()).ToArray(), logged.Payload, logged.RecordedAt, state, error, state == "failed" ? 1 : 0,
            ],
            cancellation);
        _keys.Add((logged.Topic, logged.Key));
    }

    // an event that was discarded while it was on its way has been published nevertheless, and the letter says so
    private static Task CloseAsync(NpgsqlConnection connection, Lease lease, long letter, CancellationToken cancellation) => ExecuteAsync(
        connection, lease,
        """
        closed AS (UPDATE dead_letter SET state = 'redriven', sent_at = now(), closed_at = now() FROM mine WHERE id = $3 RETURNING id),
        told AS (INSERT INTO dead_letter_history (letter, action, by) SELECT id, 'redriven', 'relay' FROM closed)
        """,
        [letter], cancellation);

    private static Task FailAgainAsync(NpgsqlConnection connection, Lease lease, long letter, string error, CancellationToken cancellation) => ExecuteAsync(
        connection, lease,
        """
        failed AS (UPDATE dead_letter SET state = 'failed', attempts = attempts + 1, error = $4 FROM mine WHERE id = $3 AND state = 'waiting' RETURNING id),
        told AS (INSERT INTO dead_letter_history (letter, action, by, reason) SELECT id, 'failedAgain', 'relay', $4 FROM failed)
        """,
        [letter, error], cancellation);

    private static async Task ExecuteAsync(NpgsqlConnection connection, Lease lease, string changes, object[] values, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"WITH mine AS (SELECT 1 FROM relay_lease WHERE name = $1 AND epoch = $2 FOR SHARE), {changes} SELECT count(*) FROM mine", connection)
        {
            Parameters = { new() { Value = lease.Name }, new() { Value = lease.Epoch } },
        };
        command.Parameters.AddRange(values.Select(value => new NpgsqlParameter { Value = value }).ToArray());
        if (await command.ExecuteScalarAsync(cancellation) is not 1L)
        {
            throw new LeaseLostException();
        }
    }

    private static async Task<IReadOnlyList<(long Letter, LoggedEvent Logged)>> DueAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT letter.id, position, stream, sequence, event_id, type, event_log.topic, event_log.key, occurred_at, recorded_at, traceparent, coalesce(edited_value, payload)
            FROM dead_letter AS letter JOIN event_log ON position = record_offset
            WHERE consumer = 'relay' AND state = 'waiting' AND NOT EXISTS (SELECT FROM dead_letter AS earlier
                WHERE earlier.consumer = 'relay' AND earlier.topic = letter.topic AND earlier.key = letter.key AND earlier.state = 'failed' AND earlier.record_offset < letter.record_offset)
            ORDER BY position LIMIT $1
            """,
            connection)
        {
            Parameters = { new() { Value = MaxDue } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(long, LoggedEvent)>();
        while (await reader.ReadAsync(cancellation))
        {
            due.Add((reader.GetInt64(0), LoggedEvent.Read(reader, first: 1)));
        }
        return due;
    }

    private static async Task<HashSet<(string Topic, string Key)>> KeysAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT DISTINCT topic, key FROM dead_letter WHERE consumer = 'relay' AND state IN ('failed', 'waiting')", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var keys = new HashSet<(string, string)>();
        while (await reader.ReadAsync(cancellation))
        {
            keys.Add((reader.GetString(0), reader.GetString(1)));
        }
        return keys;
    }
}
