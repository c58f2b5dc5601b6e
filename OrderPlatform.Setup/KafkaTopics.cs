using System.Globalization;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Setup;

/// <summary>Creates the topics that are missing.</summary>
internal static class KafkaTopics
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    /// <summary>Creates what is missing of <see cref="Topics.All"/>.</summary>
    /// <param name="bootstrapServers">host:port[,host:port].</param>
    /// <param name="replicationFactor">1 on one broker; 3 in production, where two replicas then must acknowledge.</param>
    /// <returns>How many were created.</returns>
    public static async Task<int> EnsureAsync(string bootstrapServers, short replicationFactor)
    {
        using var admin = KafkaClients.Admin(bootstrapServers);
        var there = admin.GetMetadata(Bound).Topics.Select(topic => topic.Topic).ToHashSet();
        var missing = Topics.All.Where(topic => !there.Contains(topic)).Select(topic => Specification(topic, replicationFactor)).ToList();
        if (missing.Count == 0)
        {
            return 0;
        }
        try
        {
            await admin.CreateTopicsAsync(missing, new CreateTopicsOptions { RequestTimeout = Bound, OperationTimeout = Bound });
        }
        catch (CreateTopicsException e) when (e.Results.All(result => result.Error.Code is ErrorCode.NoError or ErrorCode.TopicAlreadyExists))
        {
            // another set-up step created them in the same moment
        }
        return missing.Count;
    }

    private static TopicSpecification Specification(string topic, short replicationFactor) => new()
    {
        Name = topic,
        NumPartitions = Topics.Partitions,
        ReplicationFactor = replicationFactor,
        Configs = new()
        {
            // stores are rebuilt from the first record on; Kafka's own default forgets after 7 days
            ["retention.ms"] = "-1",
            ["min.insync.replicas"] = Math.Max(1, replicationFactor - 1).ToString(CultureInfo.InvariantCulture),
        },
    };
}
