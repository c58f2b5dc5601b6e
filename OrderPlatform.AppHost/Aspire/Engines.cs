namespace OrderPlatform.AppHost;

/// <summary>What the services connect to. A resource's name is the name of its connection string.</summary>
internal sealed record Engines(
    IResourceBuilder<IResourceWithConnectionString> Orders,
    IResourceBuilder<IResourceWithConnectionString> Views,
    IResourceBuilder<IResourceWithConnectionString> Kafka,
    IResourceBuilder<IResourceWithConnectionString> Redis,
    IResourceBuilder<IResourceWithConnectionString> ClickHouse)
{
    /// <summary>Containers that outlive the run, with their data in named volumes.</summary>
    public static Engines InContainers(IDistributedApplicationBuilder builder)
    {
        // pinned, and before WithDataVolume: the major version decides the data's format and where the volume is mounted
        var postgres = builder.AddPostgres("postgres")
            .WithImageTag("18.3")
            .WithDataVolume()
            .WithArgs("-c", "wal_level=logical", "-c", "max_slot_wal_keep_size=4GB")
            .WithLifetime(ContainerLifetime.Persistent);

        // A fixed port: the broker advertises it, so another one a run would make another container of it.
        var kafka = builder.AddKafka("kafka", port: 9092)
            .WithDataVolume()
            .WithEnvironment("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            .WithClusterHealthCheck()
            .WithLifetime(ContainerLifetime.Persistent)
            .WithKafkaUI();

        // Its append-only log as well as Aspire's snapshots: a snapshot alone forgets the last minute.
        var redis = builder.AddRedis("redis")
            .WithDataVolume()
            .WithArgs("--appendonly", "yes")
            .WithLifetime(ContainerLifetime.Persistent);

        var clickHouse = builder.AddClickHouse("clickhouse", database: "analytics")
            .WithDataVolume()
            .WithLifetime(ContainerLifetime.Persistent);

        return new Engines(postgres.AddDatabase("orders"), postgres.AddDatabase("views"), kafka, redis, clickHouse);
    }

    /// <summary>
    /// Hosted services, by connection string: on Container Apps a volume is an SMB share, on which none of these servers can keep its data.
    /// </summary>
    public static Engines Hosted(IDistributedApplicationBuilder builder) => new(
        builder.AddConnectionString("orders"),
        builder.AddConnectionString("views"),
        builder.AddConnectionString("kafka"),
        builder.AddConnectionString("redis"),
        builder.AddConnectionString("clickhouse"));
}
