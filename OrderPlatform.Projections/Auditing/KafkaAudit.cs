using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// The event log with Kafka. Kafka is read first, to an end, and the log after it, so that the log must have whatever Kafka
/// has; what Kafka lacks of the log must be younger than the bound, or parked.
/// </summary>
internal sealed class KafkaAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IConfiguration configuration, IOptions<AuditOptions> options) : IAudit
{
    private const string Store = "kafka";

    // what Kafka has refused is in the hands of a person, who may edit it (docs/decisions/0011)
    private const string IsParked = "EXISTS (SELECT FROM dead_letter WHERE consumer = 'relay' AND dead_letter.topic = event_log.topic AND partition = -1 AND record_offset = position)";

    // derived ones are audited with their store
    private static readonly IEnumerable<string> Published = Topics.Sources.Where(topic => topic != Topics.OrdersAnalytics);

    /// <inheritdoc />
    public string Name => AuditNames.Kafka;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        var due = await NowAsync(cancellation) - options.Value.Bound;
        var streams = new Streams();
        foreach (var topic in Published)
        {
            using var reader = new TopicReader(configuration.Required(Connections.Kafka), topic);
            var end = findings.Vector[topic] = await reader.EndAsync(cancellation);
            await reader.ReadToAsync(end, consumed => Add(consumed, streams, findings), cancellation);
        }
        await CompareLogAsync(streams, due, findings, cancellation);
        if (streams.Left > 0)
        {
            await NameSurplusAsync(streams, findings, cancellation);
        }
    }

    /// <inheritdoc />
    public Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<string>>(
        [.. violations.Select(_ => "not repaired: records of Kafka cannot be changed or put in between. Delete the row of relay_checkpoint to have the whole log published again (consumers drop repeats), or make the topic anew")]);

    private static void Add(ConsumeResult<byte[], byte[]> consumed, Streams streams, Findings findings)
    {
        findings.Compared++;
        if (consumed.Message.Headers.TryGetLastBytes(Envelope.RedrivenFor, out _))
        {
            return;
        }
        if (PublishedEvent.Read(consumed) is not { } published)
        {
            findings.Add(Store, ViolationKind.Surplus, $"{consumed.TopicPartitionOffset}", "an event of the log", "a record without an envelope");
            return;
        }
        var place = streams.Add(published.Stream, published.Sequence, published.Hash);
        if (place == Place.Different)
        {
            findings.Add(Store, ViolationKind.Altered, published.Row, "a repeat of the same event", $"another one at {consumed.TopicPartitionOffset}");
        }
        else if (place == Place.Late)
        {
            findings.Add(Store, ViolationKind.Reordered, published.Row, $"before event {published.Sequence + 1}", $"behind it, at {consumed.TopicPartitionOffset}");
        }
    }

    private async Task CompareLogAsync(Streams streams, DateTimeOffset due, Findings findings, CancellationToken cancellation)
    {
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        await using var command = new NpgsqlCommand(
            $"SELECT stream, sequence, event_id, type, topic, occurred_at, recorded_at, payload, {IsParked} FROM event_log WHERE topic = ANY ($1)",
            connection)
        {
            CommandTimeout = 0,
            Parameters = { new() { Value = Published.ToArray() } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var (stream, sequence, topic, recordedAt) = (reader.GetString(0), reader.GetInt32(1), reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(6));
            var day = DateOnly.FromDateTime(recordedAt.UtcDateTime);
            var expected = PublishedEvent.HashOf(topic, reader.GetGuid(2).ToString("D"), reader.GetString(3), reader.GetFieldValue<DateTimeOffset>(5), recordedAt, reader.GetFieldValue<byte[]>(7));
            var found = streams.Find(stream, sequence);
            if (found == 0)
            {
                if (recordedAt < due && !reader.GetBoolean(8))
                {
                    findings.Sums.Expect("", day, topic, 0, expected);
                    findings.Add(Store, ViolationKind.Missing, $"{stream}@{sequence}", $"{reader.GetString(3)} recorded {UtcTime.Format(recordedAt)}", "nothing");
                }
                continue;
            }
            findings.Sums.Expect("", day, topic, 0, expected);
            findings.Sums.Find("", day, topic, 0, found);
            streams.Remove(stream, sequence);
            if (found != expected && !reader.GetBoolean(8))
            {
                findings.Add(Store, ViolationKind.Altered, $"{stream}@{sequence}", $"{reader.GetString(3)} {reader.GetGuid(2)} with the hash {expected:x16}", $"the hash {found:x16}");
            }
        }
    }

    // Only their hashes are known by now: they are looked up once more.
    private async Task NameSurplusAsync(Streams streams, Findings findings, CancellationToken cancellation)
    {
        foreach (var topic in Published)
        {
            using var reader = new TopicReader(configuration.Required(Connections.Kafka), topic);
            await reader.ReadToAsync(findings.Vector[topic], consumed =>
            {
                if (PublishedEvent.Read(consumed) is { } published && streams.Find(published.Stream, published.Sequence) == published.Hash)
                {
                    findings.Sums.Find("", DateOnly.FromDateTime(consumed.Message.Timestamp.UtcDateTime), topic, 0, published.Hash);
                    findings.Add(Store, ViolationKind.Surplus, published.Row, "no such event in the log", $"{published.Type} at {consumed.TopicPartitionOffset}");
                    streams.Remove(published.Stream, published.Sequence);
                }
            }, cancellation);
        }
    }

    // by the clock that recorded the events
    private async Task<DateTimeOffset> NowAsync(CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand("SELECT now()");
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(cancellation))!, TimeSpan.Zero);
    }

    /// <summary>An event as a record carries it.</summary>
    private sealed record PublishedEvent(string Stream, int Sequence, string Type, ulong Hash)
    {
        public string Row => $"{Stream}@{Sequence}";

        public static PublishedEvent? Read(ConsumeResult<byte[], byte[]> consumed)
        {
            string? Header(string name) => consumed.Message.Headers.TryGetLastBytes(name, out var value) ? Encoding.UTF8.GetString(value) : null;
            if (consumed.Message.Key is not { } key || Header(Envelope.Source) is not { } source || Header(Envelope.Type) is not { } type || Header(Envelope.Id) is not { } id
                || !int.TryParse(Header(Envelope.Sequence), out var sequence) || sequence < 1
                || !UtcTime.TryParse(Header(Envelope.Time), out var occurredAt) || !UtcTime.TryParse(Header(Envelope.RecordedTime), out var recordedAt))
            {
                return null;
            }
            var aggregate = source[(source.LastIndexOf('/') + 1)..];
            return new PublishedEvent($"{aggregate}/{Encoding.UTF8.GetString(key)}", sequence, type, HashOf(consumed.Topic, id, type, occurredAt, recordedAt, consumed.Message.Value ?? []));
        }

        public static ulong HashOf(string topic, string id, string type, DateTimeOffset occurredAt, DateTimeOffset recordedAt, byte[] payload) =>
            Digest.Of($"{topic} {id} {type} {UtcTime.Format(occurredAt)} {UtcTime.Format(recordedAt)} ", payload);
    }
}
