using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OrderPlatform.ServiceDefaults;

/// <summary>Every telemetry name of the platform, in one place.</summary>
public static class Telemetry
{
    /// <summary>The platform's own ActivitySource and Meter.</summary>
    public const string Platform = "OrderPlatform";

    /// <summary>Aspire's name for the Kafka client's traces and metrics; ours in the standalone mode too.</summary>
    public const string Kafka = "OpenTelemetry.Instrumentation.ConfluentKafka";

    /// <summary>Npgsql's own ActivitySource and Meter.</summary>
    public const string Npgsql = "Npgsql";

    /// <summary>The runtime's own sources and meters of HTTP, server and client.</summary>
    internal static readonly string[] Sources = [Platform, Kafka, Npgsql, "Microsoft.AspNetCore", "System.Net.Http"];

    internal static readonly string[] Meters =
    [
        Platform, Kafka, Npgsql, "System.Runtime", "System.Net.Http",
        "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.RateLimiting",
    ];

    /// <summary>Source of the platform's own spans.</summary>
    public static readonly ActivitySource Activities = new(Platform);

    /// <summary>Meter of the platform's own instruments.</summary>
    public static readonly Meter Meter = new(Platform);
}
