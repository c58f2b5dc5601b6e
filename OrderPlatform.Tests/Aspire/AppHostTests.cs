using System.Net;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;

namespace OrderPlatform.Tests;

/// <summary>The container mode, with a real container runtime. The developer's own volumes, containers and secrets are not touched.</summary>
public sealed class AppHostTests
{
    // the first run downloads the images
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(10);

    private static readonly string[] Secrets = ["postgres-password", "redis-password", "clickhouse-password", "grafana-admin-password", "development-api-key"];

    [Fact]
    public async Task The_platform_gets_healthy_in_containers()
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        bound.CancelAfter(Bound);
        await using var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.OrderPlatform_AppHost>(
            [.. Secrets.Select(secret => $"Parameters:{secret}=OnlyForThisTest1")], bound.Token);
        foreach (var resource in builder.Resources)
        {
            MakeDisposable(resource);
        }

        await using var app = await builder.BuildAsync(bound.Token);
        await app.StartAsync(bound.Token);
        await app.ResourceNotifications.WaitForResourceHealthyAsync("api", WaitBehavior.StopOnResourceUnavailable, bound.Token);

        using var http = app.CreateHttpClient("api");
        using var health = await http.GetAsync(new Uri("/health", UriKind.Relative), bound.Token);
        health.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    private static void MakeDisposable(IResource resource)
    {
        var kept = resource.Annotations.Where(annotation => annotation is ContainerLifetimeAnnotation or ContainerMountAnnotation { Type: ContainerMountType.Volume });
        foreach (var annotation in kept.ToList())
        {
            resource.Annotations.Remove(annotation);
        }
    }
}
