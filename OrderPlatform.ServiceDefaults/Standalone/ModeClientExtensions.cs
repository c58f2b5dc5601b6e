using Confluent.Kafka;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using OrderPlatform.ServiceDefaults.Health;
using StackExchange.Redis;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>
/// The clients that Aspire's integration packages make in the container mode, made by hand with the same registrations,
/// configuration sections and behaviour. The twin is Aspire/ModeClientExtensions.cs.
/// </summary>
public static class ModeClientExtensions
{
    /// <summary>The singleton <see cref="IConnectionMultiplexer"/> for the connection <c>redis</c>; it starts without a server and reconnects by itself.</summary>
    public static void AddRedis(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IConnectionMultiplexer>(_ =>
        {
            var options = ConfigurationOptions.Parse(builder.Configuration.Required(Connections.Redis));
            RedisDefaults.Apply(options);
            var connection = ConnectionMultiplexer.Connect(options);
            // else one caller that goes on with something slow after an answer keeps the answers from all others, for up to a second; later versions know it no more
            connection.PreserveAsyncOrder = false;
            return connection;
        });
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            "StackExchange.Redis", services => new RedisHealthCheck(services.GetRequiredService<IConnectionMultiplexer>()),
            HealthStatus.Unhealthy, tags: null, HealthBounds.Check));
    }

    /// <summary>The singleton <see cref="IProducer{TKey,TValue}"/> for the connection <c>kafka</c>: idempotent, acks=all.</summary>
    public static void AddKafkaProducer<TKey, TValue>(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton(_ =>
        {
            KafkaLibrary.Load();
            var config = new ProducerConfig { BootstrapServers = builder.Configuration.Required(Connections.Kafka) };
            builder.Configuration.GetSection("Aspire:Confluent:Kafka:Producer:Config").Bind(config);
            KafkaDefaults.Apply(config);
            return new ProducerBuilder<TKey, TValue>(config).Build();
        });
    }

    /// <summary>A pooled DbContext for the connection of that name. It does not retry: a caller who waits is told at once, and asks again.</summary>
    public static void AddPostgresContext<TContext>(this IHostApplicationBuilder builder, string connectionName)
        where TContext : DbContext =>
        builder.Services.AddDbContextPool<TContext>(options => options.UseNpgsql(builder.Configuration.Required(connectionName)));
}
