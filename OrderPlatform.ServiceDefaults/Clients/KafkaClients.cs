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

    /// <summary>A consumer whose offsets are stored by hand, once what was read is written.</summary>
    /// <param name="bootstrapServers">host:port[,host:port].</param>
    /// <param name="group">Consumer group: who shares the partitions.</param>
    /// <param name="configure">Sets the rebalance handlers.</param>
    /// <param name="instance">
    /// The member's own name in the group, the same after a restart, which then takes its old place at once; of two with one name
    /// the later one fences the other. Null: a restarted member waits until the session of its former self runs out (KIP-345).
    /// </param>
    public static IConsumer<byte[], byte[]> Consumer(string bootstrapServers, string group, Action<ConsumerBuilder<byte[], byte[]>> configure, string? instance = null)
    {
        KafkaLibrary.Load();
        var config = new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = group,
            EnableAutoOffsetStore = false,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            // a batch of records waits in memory, no more: the store sets the pace
            QueuedMaxMessagesKbytes = 16 * 1024,
            FetchWaitMaxMs = 100,
            SessionTimeoutMs = 10_000,
            GroupInstanceId = instance,
        };
        KafkaDefaults.ReconnectSoon(config);
        var builder = new ConsumerBuilder<byte[], byte[]>(config);
        configure(builder.SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }));
        return builder.Build();
    }

    /// <summary>A consumer of no group, that is told what to read: for reading topics from their beginning.</summary>
    /// <param name="bootstrapServers">host:port[,host:port].</param>
    public static IConsumer<byte[], byte[]> Reader(string bootstrapServers)
    {
        KafkaLibrary.Load();
        return new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "reader", // required, and never joined
            EnableAutoCommit = false,
            EnableAutoOffsetStore = false,
            AutoOffsetReset = AutoOffsetReset.Error,
            QueuedMaxMessagesKbytes = 16 * 1024,
            // a partition that is taken up waits for the fetch of the others
            FetchWaitMaxMs = 10,
        }).SetLogHandler((_, _) => { }).SetErrorHandler((_, _) => { }).Build();
    }
}
