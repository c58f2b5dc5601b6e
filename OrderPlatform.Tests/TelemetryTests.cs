using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Tests;

public sealed class TelemetryTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Prometheus_is_given_the_metrics_too_and_not_the_collectors_key()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var receiver = await Receiver.StartAsync(cancellation);
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings
        {
            Args =
            [
                $"{TelemetryExtensions.EndpointVariable}={receiver.Address}/collector", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
                "OTEL_EXPORTER_OTLP_HEADERS=x-otlp-api-key=secret", "OTEL_METRIC_EXPORT_INTERVAL=100",
                $"{TelemetryExtensions.PrometheusEndpoint}={receiver.Address}/prometheus/api/v1/otlp/v1/metrics",
            ],
        });
        builder.Logging.ClearProviders();
        builder.AddServiceDefaults();
        using var host = builder.Build();
        await host.StartAsync(cancellation);

        var collector = await receiver.MetricsAsync("/collector/v1/metrics");
        var prometheus = await receiver.MetricsAsync("/prometheus/api/v1/otlp/v1/metrics");
        await host.StopAsync(cancellation);

        collector.Key.ShouldBe("secret");
        prometheus.Key.ShouldBeNullOrEmpty();
        prometheus.Body.ShouldContain("dotnet.process.memory.working_set");
    }

    private sealed record Push(string? Key, string Body);

    /// <summary>Takes whatever is posted and keeps the first of every path.</summary>
    private sealed class Receiver(WebApplication app, ConcurrentDictionary<string, TaskCompletionSource<Push>> pushes) : IAsyncDisposable
    {
        public string Address => app.Urls.First();

        public static async Task<Receiver> StartAsync(CancellationToken cancellation)
        {
            var pushes = new ConcurrentDictionary<string, TaskCompletionSource<Push>>();
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            app.MapPost("{**path}", async (HttpRequest request) =>
            {
                using var body = new MemoryStream();
                await request.Body.CopyToAsync(body, cancellation);
                // names are UTF-8 in the protobuf message, which is enough to look for one
                First(pushes, request.Path.Value!).TrySetResult(new Push(request.Headers["x-otlp-api-key"], Encoding.UTF8.GetString(body.ToArray())));
            });
            await app.StartAsync(cancellation);
            return new Receiver(app, pushes);
        }

        public Task<Push> MetricsAsync(string path) => First(pushes, path).Task.WaitAsync(Bound);

        public ValueTask DisposeAsync() => app.DisposeAsync();

        private static TaskCompletionSource<Push> First(ConcurrentDictionary<string, TaskCompletionSource<Push>> pushes, string path) =>
            pushes.GetOrAdd(path, _ => new TaskCompletionSource<Push>(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
