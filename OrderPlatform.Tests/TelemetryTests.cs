using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Tests;

public sealed class TelemetryTests
{
    private const string Metric = "dotnet.process.memory.working_set";

    [Fact]
    public async Task Prometheus_is_given_the_metrics_too_and_not_the_collectors_key()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var receiver = await TelemetryReceiver.StartAsync(cancellation);
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

        var collector = await receiver.FirstAsync("/collector/v1/metrics", containing: Metric);
        var prometheus = await receiver.FirstAsync("/prometheus/api/v1/otlp/v1/metrics", containing: Metric);
        await host.StopAsync(cancellation);

        collector.Key.ShouldBe("secret");
        prometheus.Key.ShouldBeNullOrEmpty();
    }
}
