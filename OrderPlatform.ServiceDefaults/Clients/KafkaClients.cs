using Confluent.Kafka;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>Kafka clients that are made by hand, because no dependency injection is at hand or one of several is needed.</summary>
public static class KafkaClients
{
    /// <summary>An admin client that keeps librdkafka's chatter out of the console: what fails is thrown where it is asked.</summary>
    /// <param name="bootstrapServers">host:port[,host:port].</param>
    public static IAdminClient Admin(string bootstrapServers)
    {
        KafkaLibrary.Load();
        return new AdminClientBuilder(new AdminClientConfig { BootstrapServers = bootstrapServers, SocketConnectionSetupTimeoutMs = 3000 })
            .SetLogHandler((_, _) => { })
            .SetErrorHandler((_, _) => { })
            .Build();
    }

    /// <summary>A producer with the platform's promises: idempotent, acks=all.</summary>
    /// <param name="bootstrapServers">host:port[,host:port].</param>
    /// <param name="configure">Adds to the settings; the promises are set after it.</param>
    public static IProducer<byte[], byte[]> Producer(string bootstrapServers, Action<ProducerConfig> configure)
    {
        KafkaLibrary.Load();
        var config = new ProducerConfig { BootstrapServers = bootstrapServers };
        configure(config);
        KafkaDefaults.Apply(config);
        return new ProducerBuilder<byte[], byte[]>(config).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
    }
}
