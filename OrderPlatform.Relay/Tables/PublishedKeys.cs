using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Relay.Tables;

/// <summary>The keys of a topic whose rows are there, by what the topic says: those whose last record is no tombstone.</summary>
internal static class PublishedKeys
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    /// <summary>Reads the topic to its present end.</summary>
    /// <exception cref="KafkaException">Kafka is away.</exception>
    public static Task<IReadOnlyList<string>> ReadAsync(string kafka, string topic, CancellationToken cancellation) =>
        // librdkafka's Consume blocks
        Task.Factory.StartNew(() => Read(kafka, topic, cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>The values of keys, in the order of the primary key's columns.</summary>
    public static IReadOnlyList<string[]> Values(IReadOnlyList<string> keys, IReadOnlyList<KeyColumn> columns) => [.. keys.Select(key =>
    {
        using var json = JsonDocument.Parse(key);
        return columns.Select(column => json.RootElement.GetProperty(column.Name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : json.RootElement.GetProperty(column.Name).GetRawText()).ToArray();
    })];

    /// <summary>What is known of a row that is gone: its key.</summary>
    public static TableRow Row(IReadOnlyList<KeyColumn> columns, string[] values) => new([.. columns.Select(column => new TableColumn(column.Name, column.TypeOid))], values);

    private static IReadOnlyList<string> Read(string kafka, string topic, CancellationToken cancellation)
    {
        using var consumer = KafkaClients.Reader(kafka);
        var open = Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(topic, partition))
            .Select(partition => (Partition: partition, Ends: consumer.QueryWatermarkOffsets(partition, Bound))).Where(partition => partition.Ends.High > partition.Ends.Low)
            .ToDictionary(partition => partition.Partition, partition => partition.Ends.High.Value);
        consumer.Assign(open.Keys.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
        var keys = new HashSet<string>();
        while (open.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            if (consumer.Consume(TimeSpan.FromMilliseconds(100)) is not { } consumed)
            {
                continue;
            }
            if (consumed.Message.Key is { } key)
            {
                _ = consumed.Message.Value is null ? keys.Remove(Encoding.UTF8.GetString(key)) : keys.Add(Encoding.UTF8.GetString(key));
            }
            if (open.TryGetValue(consumed.TopicPartition, out var end) && consumed.Offset.Value >= end - 1)
            {
                open.Remove(consumed.TopicPartition);
            }
        }
        return [.. keys];
    }
}
