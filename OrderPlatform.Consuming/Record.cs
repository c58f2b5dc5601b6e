using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Consuming;

/// <summary>A record of one of the platform's topics, its envelope read.</summary>
/// <param name="Source">Where it stands.</param>
/// <param name="Key">The aggregate's id.</param>
/// <param name="Type">The event's type with its version.</param>
/// <param name="Sequence">The event's number within its aggregate.</param>
/// <param name="OccurredAt">When it happened.</param>
/// <param name="RecordedAt">When it was written to the event log.</param>
/// <param name="PublishedAt">When it was handed to Kafka.</param>
/// <param name="TraceParent">The trace that it belongs to.</param>
/// <param name="Value">The event's JSON.</param>
public sealed record Record(
    TopicPartitionOffset Source, string Key, string Type, int Sequence, DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, DateTimeOffset PublishedAt, string? TraceParent, byte[] Value)
{
    /// <summary>The event's id, unique for good: what an inbox remembers.</summary>
    public string Id { get; init; } = "";

    private object? _payload;

    /// <summary>Reads the event ahead of <see cref="Read"/>, on whatever thread has the time. What cannot be read is left to <see cref="Read"/>.</summary>
    public void ReadAhead()
    {
        try
        {
            _payload = Deserialize();
        }
        catch (JsonException)
        {
            // whoever needs it finds out
        }
    }

    /// <summary>The event as the record that its type names.</summary>
    /// <exception cref="PoisonRecordException">A type that this build does not know, or JSON that is not of it.</exception>
    public T Read<T>()
    {
        try
        {
            return (_payload ?? Deserialize()) is T payload ? payload : throw new PoisonRecordException(Source, $"{Type} is not a {typeof(T).Name} that this build knows.");
        }
        catch (JsonException e)
        {
            throw new PoisonRecordException(Source, $"{Type} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads the envelope.</summary>
    /// <exception cref="PoisonRecordException">A header is missing or wrong.</exception>
    public static Record From(ConsumeResult<byte[], byte[]> consumed)
    {
        var headers = consumed.Message.Headers;
        return new Record(
            consumed.TopicPartitionOffset,
            Encoding.UTF8.GetString(consumed.Message.Key ?? throw new PoisonRecordException(consumed.TopicPartitionOffset, "The record has no key.")),
            Text(consumed, Envelope.Type),
            int.TryParse(Required(consumed, Envelope.Sequence), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
                ? sequence
                : throw new PoisonRecordException(consumed.TopicPartitionOffset, $"The header {Envelope.Sequence} is not a number."),
            Time(consumed, Envelope.Time),
            Time(consumed, Envelope.RecordedTime),
            new DateTimeOffset(consumed.Message.Timestamp.UtcDateTime, TimeSpan.Zero),
            headers.TryGetLastBytes(Envelope.TraceParent, out var traceParent) ? Encoding.ASCII.GetString(traceParent) : null,
            consumed.Message.Value ?? [])
        {
            Id = Text(consumed, Envelope.Id),
        };
    }

    // null: a type that this build does not know
    private object? Deserialize() => EventTypes.Find(Type) is { } type ? JsonSerializer.Deserialize(Value, type.Payload, PlatformJson.Options) : null;

    private static string Text(ConsumeResult<byte[], byte[]> consumed, string header) => Encoding.UTF8.GetString(Required(consumed, header));

    private static byte[] Required(ConsumeResult<byte[], byte[]> consumed, string header) =>
        consumed.Message.Headers.TryGetLastBytes(header, out var value) && value is not null
            ? value
            : throw new PoisonRecordException(consumed.TopicPartitionOffset, $"The record has no header {header}.");

    private static DateTimeOffset Time(ConsumeResult<byte[], byte[]> consumed, string header) =>
        UtcTime.TryParse(Required(consumed, header), out var time)
            ? time
            : throw new PoisonRecordException(consumed.TopicPartitionOffset, $"The header {header} is not a time.");
}
