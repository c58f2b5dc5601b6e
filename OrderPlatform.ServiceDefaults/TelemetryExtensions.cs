using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OrderPlatform.ServiceDefaults;

/// <summary>Traces, metrics and logs by OTLP.</summary>
public static class TelemetryExtensions
{
    /// <summary>The OpenTelemetry specification's variable; without it nothing is exported and nothing is paid for.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Configuration: full URL of Prometheus' OTLP receiver, which is given the metrics too.</summary>
    public const string PrometheusEndpoint = "Telemetry:PrometheusOtlpEndpoint";

    /// <summary>Exports traces, metrics and logs when <see cref="EndpointVariable"/> is set. The exporter reads the other OTEL_* variables by itself.</summary>
    public static void AddTelemetry(this IHostApplicationBuilder builder)
    {
        if (string.IsNullOrWhiteSpace(builder.Configuration[EndpointVariable]))
        {
            return;
        }
        var resource = ResourceBuilder.CreateDefault()
            .AddService(builder.Environment.ApplicationName)
            .AddEnvironmentVariableDetector();
        builder.Logging.AddOpenTelemetry(logs =>
        {
            logs.IncludeFormattedMessage = true;
            logs.IncludeScopes = true;
            logs.SetResourceBuilder(resource).AddOtlpExporter();
        });
        builder.Services.AddTelemetryProviders(
            traces => traces.SetResourceBuilder(resource).AddSource(Telemetry.Sources).AddOtlpExporter(),
            metrics => metrics.SetResourceBuilder(resource).AddMeter(Telemetry.Meters).AddOtlpExporter()
                .AddPrometheusExporter(builder.Configuration[PrometheusEndpoint]));
    }

    private static void AddPrometheusExporter(this MeterProviderBuilder metrics, string? endpoint)
    {
        if (!string.IsNullOrWhiteSpace(endpoint))
        {
            metrics.AddOtlpExporter("prometheus", otlp =>
            {
                otlp.Endpoint = new Uri(endpoint);
                otlp.Protocol = OtlpExportProtocol.HttpProtobuf;
                // OTEL_EXPORTER_OTLP_HEADERS holds the first receiver's key
                otlp.Headers = null;
            });
        }
    }
}
