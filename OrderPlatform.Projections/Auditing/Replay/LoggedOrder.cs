using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>One event of an order, from the event log.</summary>
internal sealed record LoggedEvent(int Sequence, DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, OrderEvent Happened);

/// <summary>The history of one order in the event log, for a repair.</summary>
internal static class LoggedOrder
{
    /// <summary>Its events in order; none for an order that never was.</summary>
    public static async Task<IReadOnlyList<LoggedEvent>> ReadAsync(NpgsqlDataSource orders, Guid id, CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand("SELECT sequence, occurred_at, recorded_at, type, payload FROM event_log WHERE stream = $1 ORDER BY sequence");
        command.Parameters.Add(new() { Value = $"{EventTypes.Order}/{id:D}" });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<LoggedEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            events.Add(new LoggedEvent(reader.GetInt32(0), reader.GetFieldValue<DateTimeOffset>(1), reader.GetFieldValue<DateTimeOffset>(2), Read(reader.GetString(3), reader.GetFieldValue<byte[]>(4))));
        }
        return events;
    }

    /// <summary>The event as the record that its type names.</summary>
    /// <exception cref="CannotBeAuditedException">It cannot be read by this build.</exception>
    public static OrderEvent Read(string type, byte[] payload)
    {
        try
        {
            return EventTypes.Find(type) is { } known && JsonSerializer.Deserialize(payload, known.Payload, PlatformJson.Options) is OrderEvent happened
                ? happened
                : throw new CannotBeAuditedException($"The event log holds a {type}, which this build does not know as an event of an order.");
        }
        catch (JsonException e)
        {
            throw new CannotBeAuditedException($"The event log holds a {type} that cannot be read: {e.Message}");
        }
    }
}
