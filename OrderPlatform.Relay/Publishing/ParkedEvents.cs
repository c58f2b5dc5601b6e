using Npgsql;
using OrderPlatform.Relay.Ownership;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay.Publishing;

/// <summary>
/// Events that Kafka refuses, and after them every later event of the same key, in order: the key waits for a redrive,
/// all other keys flow on.
/// </summary>
public sealed class ParkedEvents
{
    private readonly HashSet<(string Topic, string Key)> _keys;

    private ParkedEvents(HashSet<(string Topic, string Key)> keys) => _keys = keys;

    /// <summary>Reads which keys are parked.</summary>
    public static async Task<ParkedEvents> LoadAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT DISTINCT topic, key FROM parked_event", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var keys = new HashSet<(string, string)>();
        while (await reader.ReadAsync(cancellation))
        {
            keys.Add((reader.GetString(0), reader.GetString(1)));
        }
        return new ParkedEvents(keys);
    }

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
                await ParkAsync(connection, lease, logged, "An earlier event of this key is parked.", cancellation);
            }
            else
            {
                free.Add(logged);
            }
        }
        return free;
    }

    /// <summary>Parks an event and with it its key.</summary>
    /// <exception cref="LeaseLostException">The lease is somebody else's by now: nothing was written.</exception>
    public async Task ParkAsync(NpgsqlConnection connection, Lease lease, LoggedEvent logged, string error, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            WITH mine AS (SELECT 1 FROM relay_lease WHERE name = $1 AND epoch = $2 FOR SHARE),
            parked AS (
                INSERT INTO parked_event (position, topic, key, event_id, error) SELECT $3, $4, $5, $6, $7 FROM mine
                ON CONFLICT (position) DO NOTHING)
            SELECT count(*) FROM mine
            """,
            connection)
        {
            Parameters =
            {
                new() { Value = lease.Name }, new() { Value = lease.Epoch }, new() { Value = logged.Position }, new() { Value = logged.Topic },
                new() { Value = logged.Key }, new() { Value = logged.EventId }, new() { Value = error },
            },
        };
        if (await command.ExecuteScalarAsync(cancellation) is not 1L)
        {
            throw new LeaseLostException();
        }
        _keys.Add((logged.Topic, logged.Key));
    }
}
