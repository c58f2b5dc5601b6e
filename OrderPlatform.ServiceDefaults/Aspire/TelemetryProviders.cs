using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace OrderPlatform.ServiceDefaults;

/// <summary>The host's own providers, to which Aspire's integration packages add their instrumentation.</summary>
internal static class TelemetryProviders
{
    /// <summary>Adds a tracer and a meter provider that live with the host.</summary>
    public static void AddTelemetryProviders(this IServiceCollection services, Action<TracerProviderBuilder> traces, Action<MeterProviderBuilder> metrics) =>
        services.AddOpenTelemetry().WithTracing(traces).WithMetrics(metrics);
}
