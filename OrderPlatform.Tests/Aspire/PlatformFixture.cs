using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using OrderPlatform.Tests;

[assembly: AssemblyFixture(typeof(PlatformFixture))]

namespace OrderPlatform.Tests;

/// <summary>
/// The whole platform in containers, started when the first test asks for it. The developer's own volumes, containers and
/// secrets are not touched. The twin for machines without a container runtime is AppHost/PlatformFixture.cs.
/// </summary>
public sealed class PlatformFixture : IAsyncLifetime
{
    private const string Secret = "OnlyForThisTestRun1OnlyForThisTestRun1";
    private const string DevelopmentKey = "development-api-key";

    // the first run downloads the images
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(10);
    private static readonly string[] Secrets = [DevelopmentKey, "privacy-master-key", "postgres-password", "redis-password", "clickhouse-password", "grafana-admin-password"];

    private readonly Lazy<Task<Running>> _running = new(StartAsync);

    /// <summary>The Api, with the development key in every request.</summary>
    public async Task<HttpClient> ApiAsync() => (await _running.Value).Api;

    /// <summary>Npgsql connection string of the orders database.</summary>
    public async Task<string> PostgresAsync() => (await _running.Value).Postgres;

    /// <summary>Kafka's host:port.</summary>
    public async Task<string> KafkaAsync() => (await _running.Value).Kafka;

    /// <summary>Where Projections answers.</summary>
    public async Task<string> ProjectionsAsync() => (await _running.Value).Projections;

    /// <inheritdoc />
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_running.IsValueCreated)
        {
            var running = await _running.Value;
            running.Api.Dispose();
            await running.Host.DisposeAsync();
        }
    }

    private static async Task<Running> StartAsync()
    {
        using var bound = new CancellationTokenSource(Bound);
        // disposed with the platform: it owns what it builds, so disposing it earlier would stop that
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.OrderPlatform_AppHost>(
            [.. Secrets.Select(name => $"Parameters:{name}={Secret}")], bound.Token);
        try
        {
            foreach (var resource in builder.Resources)
            {
                KeepNothing(resource);
            }
            // orders stay as they are placed: nothing is reserved, paid or shipped
            builder.CreateResourceBuilder(builder.Resources.OfType<ProjectResource>().Single(resource => resource.Name == "api")).WithEnvironment("Api__Participants", "false");
            var platform = await builder.BuildAsync(bound.Token);
            await platform.StartAsync(bound.Token);
            await platform.ResourceNotifications.WaitForResourceHealthyAsync("api", WaitBehavior.StopOnResourceUnavailable, bound.Token);

            var api = platform.CreateHttpClient("api");
            api.DefaultRequestHeaders.Add("X-Api-Key", Secret);
            return new Running(builder, api, (await platform.GetConnectionStringAsync("orders", bound.Token))!,
                (await platform.GetConnectionStringAsync("kafka", bound.Token))!, platform.GetEndpoint("projections", "http").ToString().TrimEnd('/'));
        }
        catch
        {
            await builder.DisposeAsync();
            throw;
        }
    }

    private static void KeepNothing(IResource resource)
    {
        var kept = resource.Annotations.Where(annotation => annotation is ContainerLifetimeAnnotation or ContainerMountAnnotation { Type: ContainerMountType.Volume });
        foreach (var annotation in kept.ToList())
        {
            resource.Annotations.Remove(annotation);
        }
    }

    private sealed record Running(IDistributedApplicationTestingBuilder Host, HttpClient Api, string Postgres, string Kafka, string Projections);
}
