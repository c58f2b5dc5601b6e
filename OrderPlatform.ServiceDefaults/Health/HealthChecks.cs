using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.ServiceDefaults.Health;

internal static class HealthBounds
{
    /// <summary>A dependency that does not answer a trivial question within this is not healthy.</summary>
    public static readonly TimeSpan Check = TimeSpan.FromSeconds(3);
}

/// <summary>A connection can be had and answers <c>SELECT 1</c>.</summary>
internal sealed class PostgresHealthCheck(NpgsqlDataSource source) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        await using var command = source.CreateCommand("SELECT 1");
        await command.ExecuteScalarAsync(cancellationToken);
        return HealthCheckResult.Healthy();
    }
}

/// <summary>The HTTP interface answers <c>SELECT 1</c> in the platform's database.</summary>
internal sealed class ClickHouseHealthCheck(ClickHouseClient client) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        await client.QueryAsync("SELECT 1", parameters: null, cancellationToken);
        return HealthCheckResult.Healthy();
    }
}

/// <summary>The cluster answers DescribeCluster. One admin client is reused: a client a probe leaks threads.</summary>
internal sealed class KafkaHealthCheck(IAdminClient admin) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var cluster = await admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = HealthBounds.Check }).WaitAsync(cancellationToken);
        return cluster.Nodes.Count > 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("The cluster has no brokers.");
    }
}

/// <summary>The server answers PING.</summary>
internal sealed class RedisHealthCheck(StackExchange.Redis.IConnectionMultiplexer redis) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        await redis.GetDatabase().PingAsync().WaitAsync(cancellationToken);
        return HealthCheckResult.Healthy();
    }
}
