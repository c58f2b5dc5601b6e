using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Consuming.DeadLetters;

namespace OrderPlatform.Consuming;

/// <summary>
/// Where a change of a table stands in the order of all changes: the numbers of Debezium's <c>source.sequence</c>, the one of the commit
/// first. <c>source.lsn</c> alone is no order: a transaction writes before another one commits, and commits after it.
/// </summary>
public readonly record struct ChangePlace(long Commit, long Lsn)
{
    /// <summary>Whether this is behind another one.</summary>
    public bool IsBehind(ChangePlace other) => Commit > other.Commit || (Commit == other.Commit && Lsn > other.Lsn);
}

/// <summary>A change of a table in Debezium's envelope (docs/decisions/0016).</summary>
/// <param name="Operation">c, u, d, r or t.</param>
/// <param name="Place">Where it stands.</param>
/// <param name="Before">The row before, or what is known of it; null when there was none.</param>
/// <param name="After">The row after; null when there is none.</param>
public sealed record TableRecord(string Operation, ChangePlace Place, JsonElement? Before, JsonElement? After)
{
    /// <summary>Reads a record of a table's topic: its type is the operation, and empty for a tombstone.</summary>
    /// <exception cref="PoisonRecordException">It has another form.</exception>
    public static Record From(ConsumeResult<byte[], byte[]> consumed)
    {
        var publishedAt = new DateTimeOffset(consumed.Message.Timestamp.UtcDateTime, TimeSpan.Zero);
        var record = new Record(consumed.TopicPartitionOffset, Encoding.UTF8.GetString(consumed.Message.Key ?? []), "", 0, publishedAt, publishedAt, publishedAt, null, consumed.Message.Value ?? []);
        return record.Value.Length == 0 ? record : Reading(record.Source, () =>
        {
            using var json = JsonDocument.Parse(record.Value);
            var changedAt = DateTimeOffset.UnixEpoch.AddTicks(json.RootElement.GetProperty("source").GetProperty("ts_us").GetInt64() * TimeSpan.TicksPerMicrosecond);
            return record with { Type = json.RootElement.GetProperty("op").GetString()!, OccurredAt = changedAt, RecordedAt = changedAt };
        });
    }

    /// <summary>The change in a record that is no tombstone.</summary>
    /// <exception cref="PoisonRecordException">It has another form.</exception>
    public static TableRecord Of(Record record) => Reading(record.Source, () =>
    {
        using var json = JsonDocument.Parse(record.Value);
        var root = json.RootElement.Clone();
        return new TableRecord(record.Type, PlaceOf(root.GetProperty("source").GetProperty("sequence").GetString()!), Row(root, "before"), Row(root, "after"));
    });

    private static ChangePlace PlaceOf(string sequence)
    {
        using var numbers = JsonDocument.Parse(sequence);
        long Number(int index) => numbers.RootElement[index] is { ValueKind: JsonValueKind.String } number ? long.Parse(number.GetString()!, System.Globalization.CultureInfo.InvariantCulture) : 0;
        return new ChangePlace(Number(0), Number(1));
    }

    private static JsonElement? Row(JsonElement root, string name) => root.GetProperty(name) is { ValueKind: JsonValueKind.Object } row ? row : null;

    private static T Reading<T>(TopicPartitionOffset source, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException or IndexOutOfRangeException)
        {
            throw new PoisonRecordException(source, $"It is no change of a table in Debezium's envelope: {e.Message}", e);
        }
    }
}
