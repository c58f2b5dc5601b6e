using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Load;

/// <summary>The topic order.events, seen from outside.</summary>
internal static class OrderEvents
{
    /// <summary>The end of each partition at this moment.</summary>
    public static IReadOnlyList<TopicPartitionOffset> Ends(string bootstrapServers)
    {
        using var reader = KafkaClients.Reader(bootstrapServers);
        return Ends(reader);
    }

    /// <summary>The same, asked by a client that is there already.</summary>
    public static IReadOnlyList<TopicPartitionOffset> Ends(IConsumer<byte[], byte[]> reader) =>
        [.. Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(Topics.OrderEvents, partition))
            .Select(partition => new TopicPartitionOffset(partition, reader.QueryWatermarkOffsets(partition, TimeSpan.FromSeconds(10)).High))];
}
