using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>
/// The clients of Aspire's integration packages, each with its health check and telemetry. The twin for machines without
/// them is Standalone/ModeClientExtensions.cs.
/// </summary>
public static class ModeClientExtensions
{
    /// <summary>The singleton <see cref="StackExchange.Redis.IConnectionMultiplexer"/> for the connection <c>redis</c>; it starts without a server and reconnects by itself.</summary>
    public static void AddRedis(this IHostApplicationBuilder builder) =>
        builder.AddRedisClient(Connections.Redis, configureOptions: RedisDefaults.Apply);

    /// <summary>The singleton <see cref="Confluent.Kafka.IProducer{TKey,TValue}"/> for the connection <c>kafka</c>: idempotent, acks=all.</summary>
    public static void AddKafkaProducer<TKey, TValue>(this IHostApplicationBuilder builder) =>
        builder.AddKafkaProducer<TKey, TValue>(Connections.Kafka, settings =>
        {
            KafkaDefaults.Apply(settings.Config);
            // It writes to a topic that nobody creates, so it never succeeds where topics are not created automatically. AddKafka has a check of ours.
            settings.DisableHealthChecks = true;
        });

    /// <summary>A pooled DbContext for the connection of that name. It does not retry: a caller who waits is told at once, and asks again.</summary>
    public static void AddPostgresContext<TContext>(this IHostApplicationBuilder builder, string connectionName)
        where TContext : DbContext =>
        builder.AddNpgsqlDbContext<TContext>(connectionName, settings =>
        {
            settings.DisableRetry = true;
            // AddPostgres has one of this database
            settings.DisableHealthChecks = true;
        });
}
