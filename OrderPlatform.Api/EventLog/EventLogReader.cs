using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.EventLog;

/// <summary>An event as the log holds it.</summary>
/// <param name="Payload">The bytes that are published.</param>
public sealed record RecordedEvent(Guid Id, string Type, int Sequence, DateTimeOffset OccurredAt, byte[] Payload)
{
    /// <summary>The payload as the record that its type names.</summary>
    /// <exception cref="InvalidOperationException">A type that this build does not know: it was written by a newer one.</exception>
    public object Read() => EventTypes.Find(Type) is { } type
        ? JsonSerializer.Deserialize(Payload, type.Payload, PlatformJson.Options)!
        : throw new InvalidOperationException($"The event log holds a {Type}, which this build does not know. Deploy the version that wrote it, or a newer one.");
}

/// <summary>Reads the history of one aggregate.</summary>
public sealed class EventLogReader([FromKeyedServices(ServiceDefaults.Connections.Orders)] NpgsqlDataSource source)
{
    private const string Select =
        """
        SELECT event_id, type, sequence, occurred_at, payload FROM event_log
        WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
        """;

    /// <summary>Events of a stream after a sequence, in order.</summary>
    /// <param name="afterSequence">0 reads from the first.</param>
    /// <param name="limit">At most so many.</param>
    public async Task<IReadOnlyList<RecordedEvent>> ReadAsync(string stream, int afterSequence, int limit, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(Select);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = stream });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = afterSequence });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<RecordedEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            events.Add(new RecordedEvent(reader.GetGuid(0), reader.GetString(1), reader.GetInt32(2), reader.GetFieldValue<DateTimeOffset>(3), reader.GetFieldValue<byte[]>(4)));
        }
        return events;
    }
}
