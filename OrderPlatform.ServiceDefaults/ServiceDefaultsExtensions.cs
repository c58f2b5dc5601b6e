using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OrderPlatform.ServiceDefaults.Health;

namespace OrderPlatform.ServiceDefaults;

/// <summary>What every service has: telemetry, health and a clock.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Adds telemetry, health checks, the clock and HTTP client factory.</summary>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        builder.AddTelemetry();
        builder.Services.AddHealthChecks();
        builder.Services.AddHttpClient();
        builder.Services.AddSingleton(TimeProvider.System);
        return builder;
    }

    /// <summary>Names the spans of requests, and maps <c>/health</c> (every dependency answers) and <c>/alive</c> (the process does).</summary>
    public static WebApplication MapServiceDefaults(this WebApplication app)
    {
        app.UseRequestSpans();
        app.MapHealth();
        return app;
    }
}
