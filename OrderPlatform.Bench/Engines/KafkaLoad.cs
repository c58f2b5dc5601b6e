using System.Diagnostics;
using System.Text;
using Confluent.Kafka;

namespace OrderPlatform.Bench.Engines;

/// <summary>Records a second and bytes a second of one pass.</summary>
internal readonly record struct Rate(int Records, TimeSpan Took)
{
    public double RecordsPerSecond => Records / Took.TotalSeconds;

    /// <summary>10^6 bytes of key, value and headers.</summary>
    public double MegabytesPerSecond => RecordsPerSecond * KafkaLoad.RecordBytes / 1e6;
}

/// <summary>The load of the benchmark: the same records and the same client settings for every cluster.</summary>
internal static class KafkaLoad
{
    /// <summary>Key, value and headers of a record together.</summary>
    public const int RecordBytes = 400;

    public const int Partitions = 12;

    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);

    private static readonly Dictionary<string, string> ProducerSettings = new()
    {
        ["acks"] = "all",
        ["enable.idempotence"] = "true",
        ["linger.ms"] = "5",
        ["batch.size"] = "262144",
        ["batch.num.messages"] = "10000",
        ["queue.buffering.max.messages"] = "200000",
        ["queue.buffering.max.kbytes"] = "262144",
        ["compression.type"] = "none",
    };

    private static readonly Dictionary<string, string> ConsumerSettings = new()
    {
        ["group.id"] = "bench",
        ["enable.auto.commit"] = "false",
        ["auto.offset.reset"] = "earliest",
        ["fetch.max.bytes"] = "16777216",
        ["max.partition.fetch.bytes"] = "1048576",
        ["queued.min.messages"] = "200000",
        ["queued.max.messages.kbytes"] = "262144",
    };

    public static string Settings => string.Join(", ", ProducerSettings.Concat(ConsumerSettings).Select(s => $"{s.Key}={s.Value}"));

    /// <summary>From the first record given to a client that is connected (one record a partition has gone before) to the last acknowledgement.</summary>
    public static Rate Produce(string bootstrap, string topic, int records)
    {
        var (key, value, headers) = Record();
        var failed = 0;
        var acknowledged = 0;
        using var producer = new ProducerBuilder<byte[], byte[]>(With(ProducerSettings, bootstrap)).Build();
        void OnReport(DeliveryReport<byte[], byte[]> report)
        {
            // the client calls from its own thread and, in Flush, from this one
            Interlocked.Increment(ref acknowledged);
            if (report.Error.IsError)
            {
                Interlocked.Increment(ref failed);
            }
        }
        var targets = Enumerable.Range(0, Partitions).Select(p => new TopicPartition(topic, p)).ToArray();
        var message = new Message<byte[], byte[]> { Key = key, Value = value, Headers = headers };
        var since = 0L;
        for (var i = 0; i < records; i++)
        {
            if (i == Partitions)
            {
                producer.Flush(Bound);
                since = Stopwatch.GetTimestamp();
            }
            while (!TryProduce(producer, targets[i % Partitions], message, OnReport))
            {
                producer.Poll(TimeSpan.FromMilliseconds(10));
            }
        }
        producer.Flush(Bound);
        var took = Stopwatch.GetElapsedTime(since);
        return failed == 0 && acknowledged == records ? new Rate(records - Partitions, took) : throw new InvalidOperationException($"{acknowledged} of {records} records acknowledged, {failed} failed.");
    }

    /// <summary>From the first record to the last; every offset must come exactly once and in order.</summary>
    public static Rate Consume(string bootstrap, string topic, int records)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(With(ConsumerSettings, bootstrap)).Build();
        var next = new long[Partitions];
        consumer.Assign(Enumerable.Range(0, Partitions).Select(p => new TopicPartitionOffset(topic, p, Offset.Beginning)));
        var since = 0L;
        for (var i = 0; i < records; i++)
        {
            var record = consumer.Consume(TimeSpan.FromSeconds(20)) ?? throw new InvalidOperationException($"Only {i} of {records} records arrived.");
            since = i == 0 ? Stopwatch.GetTimestamp() : since;
            if (record.Offset != next[record.Partition]++)
            {
                throw new InvalidOperationException($"Partition {record.Partition.Value} gave offset {record.Offset.Value} where {next[record.Partition] - 1} was next.");
            }
        }
        return new Rate(records, Stopwatch.GetElapsedTime(since));
    }

    private static bool TryProduce(IProducer<byte[], byte[]> producer, TopicPartition target, Message<byte[], byte[]> message, Action<DeliveryReport<byte[], byte[]>> onReport)
    {
        try
        {
            producer.Produce(target, message, onReport);
            return true;
        }
        catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
        {
            return false;
        }
    }

    private static (byte[] Key, byte[] Value, Headers Headers) Record()
    {
        var key = Encoding.ASCII.GetBytes("order-0123456789");
        var headers = new Headers
        {
            { "ce_id", Encoding.ASCII.GetBytes("0198f6a1-7d3e-7c11-a3f0-2b1c4d5e6f70") },
            { "ce_type", Encoding.ASCII.GetBytes("order.created.v1") },
            { "traceparent", Encoding.ASCII.GetBytes("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") },
        };
        var value = new byte[RecordBytes - key.Length - headers.Sum(h => h.Key.Length + h.GetValueBytes().Length)];
        Random.Shared.NextBytes(value);
        return (key, value, headers);
    }

    private static Dictionary<string, string> With(Dictionary<string, string> settings, string bootstrap) => new(settings) { ["bootstrap.servers"] = bootstrap };
}
