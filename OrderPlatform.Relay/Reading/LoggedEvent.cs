namespace OrderPlatform.Relay.Reading;

/// <summary>An event as the relay reads it from the log.</summary>
/// <param name="Position">Orders the events of an aggregate.</param>
/// <param name="Stream">{aggregate}/{id}.</param>
/// <param name="Payload">The bytes to publish, untouched.</param>
public sealed record LoggedEvent(
    long Position, string Stream, int Sequence, Guid EventId, string Type, string Topic, string Key,
    DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, string? TraceParent, byte[] Payload);
