using Npgsql;

namespace OrderPlatform.Relay.Reading;

/// <summary>An event as the relay reads it from the log.</summary>
/// <param name="Position">Orders the events of an aggregate.</param>
/// <param name="Stream">{aggregate}/{id}.</param>
/// <param name="Payload">The bytes to publish, untouched.</param>
public sealed record LoggedEvent(
    long Position, string Stream, int Sequence, Guid EventId, string Type, string Topic, string Key,
    DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, string? TraceParent, byte[] Payload)
{
    /// <summary>The columns of event_log that <see cref="Read"/> takes.</summary>
    public const string Columns = "position, stream, sequence, event_id, type, topic, key, occurred_at, recorded_at, traceparent, payload";

    /// <summary>The event in a row of <see cref="Columns"/>.</summary>
    /// <param name="first">Where they begin in the row.</param>
    public static LoggedEvent Read(NpgsqlDataReader row, int first) => new(
        row.GetInt64(first), row.GetString(first + 1), row.GetInt32(first + 2), row.GetGuid(first + 3), row.GetString(first + 4), row.GetString(first + 5), row.GetString(first + 6),
        row.GetFieldValue<DateTimeOffset>(first + 7), row.GetFieldValue<DateTimeOffset>(first + 8), row.IsDBNull(first + 9) ? null : row.GetString(first + 9), row.GetFieldValue<byte[]>(first + 10));
}
