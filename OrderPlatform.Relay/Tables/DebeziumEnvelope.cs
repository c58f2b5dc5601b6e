using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Confluent.Kafka;

namespace OrderPlatform.Relay.Tables;

/// <summary>A record for a topic of a table.</summary>
internal sealed record TableRecord(string Topic, Message<byte[], byte[]> Message);

/// <summary>
/// Changes as records in Debezium's JSON envelope, without the schema part. docs/decisions/0016 says where it is stricter than the documentation.
/// https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
/// </summary>
/// <param name="database">The database's name.</param>
internal sealed class DebeziumEnvelope(string database, TimeProvider clock)
{
    private const string Version = "1.0"; // of this form: not Debezium's
    private const string TopicPrefix = "cdc";
    private const string NewKey = "__debezium.newkey";
    private const string OldKey = "__debezium.oldkey";

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The records of a change, in their order: one; with a tombstone for a delete; three for a change of the primary key.</summary>
    public IEnumerable<TableRecord> Records(TableChange change)
    {
        var (old, now) = (KeyOf(change.Before, change.Key), KeyOf(change.After, change.Key));
        if (change.Operation == Operation.Update && old is not null && !old.AsSpan().SequenceEqual(now))
        {
            return
            [
                Record(change with { Operation = Operation.Delete, After = null }, old, (NewKey, now!)),
                Tombstone(change.Table, old),
                Record(change with { Operation = Operation.Create, Before = null }, now, (OldKey, old)),
            ];
        }
        return change.Operation == Operation.Delete
            ? [Record(change, old), Tombstone(change.Table, old!)]
            : [Record(change, now)];
    }

    /// <summary>The primary key of a row as JSON.</summary>
    /// <param name="key">Names of its columns.</param>
    public static string KeyText(TableRow row, IReadOnlyList<string> key) => Encoding.UTF8.GetString(KeyOf(row, key)!);

    private static byte[]? KeyOf(TableRow? row, IReadOnlyList<string> key) =>
        row is null ? null : Json(json => WriteRow(json, row.Columns.Zip(row.Values).Where(value => key.Contains(value.First.Name))));

    private static TableRecord Tombstone(TableName table, byte[] key) => new(table.Topic, new Message<byte[], byte[]> { Key = key });

    private TableRecord Record(TableChange change, byte[]? key, params ReadOnlySpan<(string Name, byte[] Value)> headers)
    {
        var message = new Message<byte[], byte[]> { Key = key!, Value = Json(json => WriteValue(json, change)) };
        foreach (var (name, value) in headers)
        {
            (message.Headers ??= []).Add(name, value);
        }
        return new TableRecord(change.Table.Topic, message);
    }

    private void WriteValue(Utf8JsonWriter json, TableChange change)
    {
        json.WriteStartObject();
        WriteRow(json, "before", change.Before);
        WriteRow(json, "after", change.After);
        json.WriteStartObject("source");
        WriteSource(json, change.Table, change.Source);
        json.WriteEndObject();
        json.WriteNull("transaction");
        json.WriteString("op", $"{(char)change.Operation}");
        WriteTimes(json, clock.GetUtcNow());
        json.WriteEndObject();
    }

    private void WriteSource(Utf8JsonWriter json, TableName table, ChangeSource source)
    {
        json.WriteString("version", Version);
        json.WriteString("connector", "postgresql");
        json.WriteString("name", TopicPrefix);
        WriteTimes(json, source.At);
        json.WriteString("snapshot", source.Snapshot);
        json.WriteString("db", database);
        json.WriteString("sequence", SequenceOf(source));
        json.WriteString("schema", table.Schema);
        json.WriteString("table", table.Name);
        WriteNumber(json, "txId", source.TransactionId);
        WriteNumber(json, "lsn", (ulong?)source.Lsn);
        json.WriteNull("xmin");
    }

    // What a snapshot has read stands before all that is committed at its place: of the same commit, a missing second number is the lowest.
    private static string SequenceOf(ChangeSource source) =>
        source is { Snapshot: ChangeSource.Streamed, Lsn: { } lsn }
            ? string.Create(CultureInfo.InvariantCulture, $"[\"{(ulong)source.Commit}\",\"{(ulong)lsn}\"]")
            : string.Create(CultureInfo.InvariantCulture, $"[\"{(ulong)source.Commit}\",null]");

    private static void WriteRow(Utf8JsonWriter json, string name, TableRow? row)
    {
        json.WritePropertyName(name);
        if (row is null)
        {
            json.WriteNullValue();
        }
        else
        {
            WriteRow(json, row.Columns.Zip(row.Values));
        }
    }

    private static void WriteRow(Utf8JsonWriter json, IEnumerable<(TableColumn Column, string? Text)> values)
    {
        json.WriteStartObject();
        foreach (var (column, text) in values)
        {
            json.WritePropertyName(column.Name);
            PostgresText.Write(json, column.Type, text);
        }
        json.WriteEndObject();
    }

    private static void WriteTimes(Utf8JsonWriter json, DateTimeOffset at)
    {
        var ticks = at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        json.WriteNumber("ts_ms", ticks / TimeSpan.TicksPerMillisecond);
        json.WriteNumber("ts_us", ticks / TimeSpan.TicksPerMicrosecond);
        json.WriteNumber("ts_ns", ticks * TimeSpan.NanosecondsPerTick);
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, ulong? number)
    {
        if (number is { } known)
        {
            json.WriteNumber(name, known);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            write(json);
        }
        return buffer.WrittenSpan.ToArray();
    }
}
