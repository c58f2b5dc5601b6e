using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OrderPlatform.AppHost;

/// <summary>
/// The broker answers DescribeCluster. AddKafka's own check writes to a topic that nobody creates, so it never
/// succeeds where topics are not created automatically.
/// </summary>
internal sealed class KafkaClusterHealthCheck(KafkaServerResource kafka) : IHealthCheck, IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(3);

    // one client for all checks: each has threads of its own
    private IAdminClient? _admin;

    /// <inheritdoc />
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        _admin ??= Client(await kafka.ConnectionStringExpression.GetValueAsync(cancellationToken));
        var cluster = await _admin.DescribeClusterAsync(new DescribeClusterOptions { RequestTimeout = Bound }).WaitAsync(cancellationToken);
        return cluster.Nodes.Count > 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("The cluster has no brokers.");
    }

    /// <inheritdoc />
    public void Dispose() => _admin?.Dispose();

    // what fails is thrown where it is asked: librdkafka's chatter while the broker starts is left out of the console
    private static IAdminClient Client(string? bootstrapServers) =>
        new AdminClientBuilder(new AdminClientConfig { BootstrapServers = bootstrapServers })
            .SetLogHandler((_, _) => { })
            .SetErrorHandler((_, _) => { })
            .Build();
}

/// <summary>Puts the check in the place of AddKafka's.</summary>
internal static class KafkaClusterHealthCheckExtensions
{
    /// <summary>Healthy means: the broker answers DescribeCluster.</summary>
    public static IResourceBuilder<KafkaServerResource> WithClusterHealthCheck(this IResourceBuilder<KafkaServerResource> kafka)
    {
        foreach (var theirs in kafka.Resource.Annotations.OfType<HealthCheckAnnotation>().ToList())
        {
            kafka.Resource.Annotations.Remove(theirs);
        }
        var name = $"{kafka.Resource.Name}_cluster";
        var services = kafka.ApplicationBuilder.Services;
        services.AddSingleton(_ => new KafkaClusterHealthCheck(kafka.Resource));
        services.AddHealthChecks().AddCheck<KafkaClusterHealthCheck>(name);
        return kafka.WithHealthCheck(name);
    }
}
