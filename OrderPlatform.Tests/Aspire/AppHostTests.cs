using System.Net;

namespace OrderPlatform.Tests;

/// <summary>The container mode, with a real container runtime.</summary>
public sealed class AppHostTests(PlatformFixture platform)
{
    [Fact]
    public async Task The_platform_gets_healthy_in_containers()
    {
        var api = await platform.ApiAsync();

        using var health = await api.GetAsync(new Uri("/health", UriKind.Relative), TestContext.Current.CancellationToken);

        health.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
