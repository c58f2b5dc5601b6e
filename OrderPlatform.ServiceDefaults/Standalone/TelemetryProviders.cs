using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace OrderPlatform.ServiceDefaults;

/// <summary>
/// What OpenTelemetry.Extensions.Hosting does in the container mode (Aspire/TelemetryProviders.cs), without that package:
/// providers with the host's life and configuration.
/// </summary>
internal static class TelemetryProviders
{
    /// <summary>Adds a tracer and a meter provider that live with the host.</summary>
    public static void AddTelemetryProviders(this IServiceCollection services, Action<TracerProviderBuilder> traces, Action<MeterProviderBuilder> metrics)
    {
        services.AddSingleton(host =>
        {
            var provider = Sdk.CreateTracerProviderBuilder().ConfigureServices(own => own.AddSingleton(host.GetRequiredService<IConfiguration>()));
            traces(provider);
            return provider.Build();
        });
        services.AddSingleton(host =>
        {
            var provider = Sdk.CreateMeterProviderBuilder().ConfigureServices(own => own.AddSingleton(host.GetRequiredService<IConfiguration>()));
            metrics(provider);
            return provider.Build();
        });
        services.AddHostedService<TelemetryLifetime>();
    }

    // Makes the providers with the host and, by the container's disposal, flushes them with it.
    private sealed class TelemetryLifetime(TracerProvider traces, MeterProvider metrics) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            traces.ForceFlush();
            metrics.ForceFlush();
            return Task.CompletedTask;
        }
    }
}
