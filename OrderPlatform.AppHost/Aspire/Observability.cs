namespace OrderPlatform.AppHost;

/// <summary>Prometheus and Grafana, with what deploy/ holds for them.</summary>
internal static class Observability
{
    private const string Http = "http";

    /// <summary>A Prometheus that takes metrics by OTLP: it could not scrape services, whose ports differ from run to run.</summary>
    public static IResourceBuilder<ContainerResource> AddPrometheus(this IDistributedApplicationBuilder builder, [ResourceName] string name)
    {
        var prometheus = builder.AddContainer(name, "prom/prometheus", "v3.14.0");
        return prometheus
            .WithBindMount("../deploy/prometheus", "/etc/prometheus", isReadOnly: true)
            .WithVolume(VolumeNameGenerator.Generate(prometheus, "data"), "/prometheus")
            .WithArgs("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus", "--web.enable-otlp-receiver")
            .WithHttpEndpoint(targetPort: 9090, name: Http)
            .WithHttpHealthCheck("/-/healthy")
            .WithLifetime(ContainerLifetime.Persistent);
    }

    /// <summary>A Grafana with the platform's dashboards; anybody on this machine may look, changing needs the password.</summary>
    public static void AddGrafana(this IDistributedApplicationBuilder builder, [ResourceName] string name, IResourceBuilder<ContainerResource> prometheus)
    {
        var grafana = builder.AddContainer(name, "grafana/grafana", "13.2.2");
        grafana
            .WithBindMount("../deploy/grafana/provisioning", "/etc/grafana/provisioning", isReadOnly: true)
            .WithBindMount("../deploy/grafana/dashboards", "/var/lib/grafana/dashboards", isReadOnly: true)
            .WithVolume(VolumeNameGenerator.Generate(grafana, "data"), "/var/lib/grafana")
            .WithEnvironment("GF_SECURITY_ADMIN_PASSWORD", builder.AddGeneratedSecret($"{name}-admin-password"))
            .WithEnvironment("GF_AUTH_ANONYMOUS_ENABLED", "true")
            .WithEnvironment("PROMETHEUS_URL", prometheus.GetEndpoint(Http))
            .WithHttpEndpoint(targetPort: 3000, name: Http)
            .WithHttpHealthCheck("/api/health")
            .WaitFor(prometheus);
    }

    /// <summary>Has the service push its metrics to Prometheus, besides what it sends to the Aspire dashboard.</summary>
    public static void WithMetricsPushedTo(this IResourceBuilder<ProjectResource> service, IResourceBuilder<ContainerResource> prometheus) =>
        service.WithEnvironment("Telemetry__PrometheusOtlpEndpoint", ReferenceExpression.Create($"{prometheus.GetEndpoint(Http)}/api/v1/otlp/v1/metrics"));
}
