using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.EventLog;

/// <summary>An event that is to be appended.</summary>
/// <param name="AggregateId">The aggregate's id: the key of the published record.</param>
/// <param name="Sequence">The event's number within the aggregate, from 1, without gaps.</param>
/// <param name="OccurredAt">When it happened, in whole microseconds.</param>
/// <param name="Payload">The event.</param>
/// <param name="TraceParent">The trace that it belongs to, if any.</param>
public sealed record NewEvent(string AggregateId, int Sequence, DateTimeOffset OccurredAt, object Payload, string? TraceParent);

/// <summary>Appends events in the transaction of the write that caused them: the outbox and the history in one.</summary>
public static class EventLogWriter
{
    private const string Insert =
        """
        INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """;

    private const string InsertMany =
        """
        INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """;

    /// <summary>
    /// The statement that appends one event, to be sent in the same batch as the aggregate's row. The aggregate's row lock
    /// must be held (by its INSERT, or its UPDATE ... WHERE version = expected): it guards the sequence.
    /// </summary>
    /// <param name="aggregateId">The aggregate's id: the key of the published record.</param>
    /// <param name="sequence">The event's number within the aggregate, from 1, without gaps.</param>
    /// <param name="occurredAt">When it happened, in whole microseconds.</param>
    public static NpgsqlBatchCommand Append(string aggregateId, int sequence, DateTimeOffset occurredAt, object payload)
    {
        var type = EventTypes.Of(payload);
        return new NpgsqlBatchCommand(Insert)
        {
            Parameters =
            {
                new NpgsqlParameter<string> { TypedValue = StreamOf(type.Aggregate, aggregateId) },
                new NpgsqlParameter<int> { TypedValue = sequence },
                new NpgsqlParameter<Guid> { TypedValue = Guid.CreateVersion7(occurredAt) },
                new NpgsqlParameter<string> { TypedValue = type.Name },
                new NpgsqlParameter<string> { TypedValue = type.Topic },
                new NpgsqlParameter<string> { TypedValue = aggregateId },
                new NpgsqlParameter<DateTimeOffset> { TypedValue = occurredAt, NpgsqlDbType = NpgsqlDbType.TimestampTz },
                new NpgsqlParameter { Value = (object?)Activity.Current?.Id ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new NpgsqlParameter<byte[]> { TypedValue = JsonSerializer.SerializeToUtf8Bytes(payload, type.Payload, PlatformJson.Options) },
            },
        };
    }

    /// <summary>Appends many events in their order, in one statement. As for one, the rows of their aggregates must be locked.</summary>
    public static async Task AppendAsync(NpgsqlConnection connection, IReadOnlyList<NewEvent> events, CancellationToken cancellation)
    {
        if (events.Count > 0)
        {
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { Append(events) } };
            await batch.ExecuteNonQueryAsync(cancellation);
        }
    }

    /// <summary>The statement that appends many events in their order, to be sent in the same batch as the rows of their aggregates.</summary>
    public static NpgsqlBatchCommand Append(IReadOnlyList<NewEvent> events)
    {
        var types = events.Select(happened => EventTypes.Of(happened.Payload)).ToList();
        return new NpgsqlBatchCommand(InsertMany)
        {
            Parameters =
            {
                new NpgsqlParameter<string[]> { TypedValue = [.. events.Zip(types, (happened, type) => StreamOf(type.Aggregate, happened.AggregateId))] },
                new NpgsqlParameter<int[]> { TypedValue = [.. events.Select(happened => happened.Sequence)] },
                new NpgsqlParameter<Guid[]> { TypedValue = [.. events.Select(happened => Guid.CreateVersion7(happened.OccurredAt))] },
                new NpgsqlParameter<string[]> { TypedValue = [.. types.Select(type => type.Name)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. types.Select(type => type.Topic)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. events.Select(happened => happened.AggregateId)] },
                new NpgsqlParameter<DateTimeOffset[]> { TypedValue = [.. events.Select(happened => happened.OccurredAt)] },
                new NpgsqlParameter<string?[]> { TypedValue = [.. events.Select(happened => happened.TraceParent)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. events.Zip(types, (happened, type) => JsonSerializer.SerializeToUtf8Bytes(happened.Payload, type.Payload, PlatformJson.Options))] },
            },
        };
    }

    /// <summary>The stream of one aggregate.</summary>
    public static string StreamOf(string aggregate, string id) => $"{aggregate}/{id}";
}
