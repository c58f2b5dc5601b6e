using System.Diagnostics;
using Confluent.Kafka;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.Internal;
using Npgsql.Replication.PgOutput;
using OrderPlatform.Relay.Publishing;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Bench.Load;

/// <summary>What each half of the relay's work takes alone, done as barely as its client allows. All in events a second.</summary>
internal static class RelayDrainFloors
{
    private const int DistinctRecords = 10_000; // made before the measurement

    /// <summary>Reading the events' columns with a binary COPY; the bytes are dropped.</summary>
    public static async Task<double> CopyAsync(RelayDrainBed bed, int events, CancellationToken cancellation)
    {
        var buffer = new byte[1 << 16];
        await using var connection = await bed.Engines.Source.OpenConnectionAsync(cancellation);
        var since = Stopwatch.GetTimestamp();
        await using (var copy = await connection.BeginRawBinaryCopyAsync($"COPY (SELECT {LoggedEvent.Columns} FROM event_log) TO STDOUT (FORMAT binary)", cancellation))
        {
            while (await copy.ReadAsync(buffer, cancellation) > 0)
            {
            }
        }
        return events / Stopwatch.GetElapsedTime(since).TotalSeconds;
    }

    /// <summary>Reading the events from a slot with Npgsql's logical replication; the rows are dropped unread.</summary>
    public static async Task<double> WalAsync(RelayDrainBed bed, int events, CancellationToken cancellation)
    {
        var slot = await bed.SlotAsync(cancellation);
        double seconds;
        await using (var replication = new LogicalReplicationConnection(bed.Engines.ConnectionString))
        {
            await replication.Open(cancellation);
            var since = Stopwatch.GetTimestamp();
            await ReadAsync(replication, slot, events, cancellation);
            seconds = Stopwatch.GetElapsedTime(since).TotalSeconds;
        }
        await bed.DropAsync(slot, cancellation);
        return events / seconds;
    }

    /// <summary>Producing the same records with Confluent.Kafka, by a producer with the relay's settings, until all are acknowledged.</summary>
    public static async Task<double> ProduceAsync(RelayDrainBed bed, int events, CancellationToken cancellation)
    {
        await using var connection = await bed.Engines.Source.OpenConnectionAsync(cancellation);
        var (logged, _) = await PollingReader.ReadAsync(connection, Checkpoint.Beginning, DistinctRecords, cancellation);
        var messages = logged.Select(KafkaPublisher.MessageOf).ToArray();
        var topic = logged[0].Topic;
        var open = events;
        var acknowledged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnReport(DeliveryReport<byte[], byte[]> report)
        {
            if (report.Error.IsError)
            {
                acknowledged.TrySetException(new KafkaException(report.Error));
            }
            else if (Interlocked.Decrement(ref open) == 0)
            {
                acknowledged.TrySetResult();
            }
        }

        using var producer = KafkaPublisher.NewProducer(bed.Engines.Kafka.Address);
        var since = Stopwatch.GetTimestamp();
        for (var i = 0; i < events; i++)
        {
            Produce(producer, topic, messages[i % messages.Length], OnReport);
        }
        await acknowledged.Task.WaitAsync(cancellation);
        return events / Stopwatch.GetElapsedTime(since).TotalSeconds;
    }

    private static async Task ReadAsync(LogicalReplicationConnection replication, string slot, int events, CancellationToken cancellation)
    {
        var (inserts, options) = (0, (KeyValuePair<string, string?>[])[new("proto_version", "2"), new("publication_names", "orderplatform_event_log"), new("binary", "on"), new("streaming", "on"), new("messages", "on")]);
        await foreach (var message in replication.StartLogicalReplication(new PgOutputReplicationSlot(slot), cancellation, options: options))
        {
            inserts += message.Data.ReadByte() == 'I' ? 1 : 0;
            replication.SetReplicationStatus(message.WalEnd);
            if (inserts == events)
            {
                return;
            }
        }
    }

    private static void Produce(IProducer<byte[], byte[]> producer, string topic, Message<byte[], byte[]> message, Action<DeliveryReport<byte[], byte[]>> onReport)
    {
        while (true)
        {
            try
            {
                producer.Produce(topic, message, onReport);
                return;
            }
            catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
            {
                producer.Poll(TimeSpan.FromMilliseconds(1));
            }
        }
    }
}
