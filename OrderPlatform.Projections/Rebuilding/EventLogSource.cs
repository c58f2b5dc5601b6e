using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>
/// The orders' events by the event log, for what Kafka does not keep any more: as records of one more partition, whose offsets are
/// the log's positions. It has only what transactions before the horizon wrote, all of which had ended when the horizon was taken: so
/// the same positions give the same records each time. What came later is in Kafka.
/// </summary>
/// <param name="topic">The topic that the records stand for: order.events, or orders_analytics, whose facts are derived here as the transformer does.</param>
/// <param name="horizon">A transaction id, from <see cref="HorizonAsync"/>.</param>
internal sealed class EventLogSource(NpgsqlDataSource orders, string topic, string horizon)
{
    /// <summary>The number of the partition that stands for the log. Kafka has none below 0.</summary>
    public const int Partition = -1;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    /// <summary>A transaction id that is above those of all events published so far, and below which all transactions have ended: it waits for those that run.</summary>
    public static async Task<string> HorizonAsync(NpgsqlDataSource orders, CancellationToken cancellation)
    {
        await using var latest = orders.CreateCommand("SELECT pg_snapshot_xmax(pg_current_snapshot())::text");
        var horizon = (string)(await latest.ExecuteScalarAsync(cancellation))!;
        while (true)
        {
            await using var ended = orders.CreateCommand("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8");
            ended.Parameters.Add(new() { Value = horizon });
            if (await ended.ExecuteScalarAsync(cancellation) is true)
            {
                return horizon;
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    /// <summary>How many events there are to read, by the log's positions: an estimate, since other aggregates' events have positions, too.</summary>
    public async Task<long> EstimateAsync(CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand("SELECT coalesce(max(position), 0) FROM event_log");
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>The first events at or after a position, an order's in the order of their sequence.</summary>
    /// <param name="limit">At most so many; fewer are the last.</param>
    public Task<IReadOnlyList<Record>> ReadAsync(long from, int limit, CancellationToken cancellation) => ReadAsync(from, long.MaxValue, limit, cancellation);

    /// <summary>The events at or after a position and before another.</summary>
    public Task<IReadOnlyList<Record>> ReadAsync(long from, long to, CancellationToken cancellation) => ReadAsync(from, to, int.MaxValue, cancellation);

    private async Task<IReadOnlyList<Record>> ReadAsync(long from, long to, int limit, CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand(
            """
            SELECT position, key, type, sequence, occurred_at, recorded_at, traceparent, payload FROM event_log
            WHERE position >= $1 AND position < $2 AND topic = $3 AND transaction_id < $4::xid8 ORDER BY position LIMIT $5
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = from }, new() { Value = to }, new() { Value = Topics.OrderEvents }, new() { Value = horizon }, new() { Value = limit }]);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var records = new List<Record>();
        while (await reader.ReadAsync(cancellation))
        {
            var recordedAt = reader.GetFieldValue<DateTimeOffset>(5);
            var logged = new Record(
                new TopicPartitionOffset(topic, Partition, reader.GetInt64(0)), reader.GetString(1), reader.GetString(2), reader.GetInt32(3),
                reader.GetFieldValue<DateTimeOffset>(4), recordedAt, recordedAt, reader.IsDBNull(6) ? null : reader.GetString(6), reader.GetFieldValue<byte[]>(7));
            records.Add(topic == Topics.OrdersAnalytics ? FactOf(logged) : logged);
        }
        return records;
    }

    private static Record FactOf(Record logged) => logged with
    {
        Type = EventTypes.Of<SalesFact>().Name,
        Value = JsonSerializer.SerializeToUtf8Bytes(SalesFact.Of(logged.Read<OrderEvent>()), PlatformJson.Options),
    };
}
