using Confluent.Kafka;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>The settings that the platform's promise rests on, the same in both modes.</summary>
internal static class KafkaDefaults
{
    /// <summary>Nothing lost, nothing doubled, order kept: acks from all in-sync replicas, and the broker drops repeats.</summary>
    public static void Apply(ProducerConfig config)
    {
        config.Acks = Acks.All;
        config.EnableIdempotence = true;
        ReconnectSoon(config);
    }

    /// <summary>A broker that is back is found within a second: librdkafka's own pauses grow to ten.</summary>
    public static void ReconnectSoon(ClientConfig config) => config.ReconnectBackoffMaxMs = 1000;
}
