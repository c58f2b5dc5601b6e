namespace OrderPlatform.AppHost;

/// <summary>A ClickHouse server; the connection string is for its HTTP interface.</summary>
internal sealed class ClickHouseResource(string name, ParameterResource password, string database)
    : ContainerResource(name), IResourceWithConnectionString
{
    /// <summary>Name of the endpoint of the HTTP interface.</summary>
    public const string HttpEndpointName = "http";

    /// <summary>The only user.</summary>
    public const string UserName = "orderplatform";

    /// <inheritdoc />
    public ReferenceExpression ConnectionStringExpression
    {
        get
        {
            var http = this.GetEndpoint(HttpEndpointName);
            return ReferenceExpression.Create(
                $"Host={http.Property(EndpointProperty.Host)};Port={http.Property(EndpointProperty.Port)};Protocol=http;Username={UserName};Password={password};Database={database}");
        }
    }
}

/// <summary>Adds ClickHouse to the application model, as Aspire's own packages add their engines.</summary>
internal static class ClickHouseExtensions
{
    /// <summary>Adds a server with one database and a generated password (configuration <c>Parameters:{name}-password</c>).</summary>
    public static IResourceBuilder<ClickHouseResource> AddClickHouse(this IDistributedApplicationBuilder builder, [ResourceName] string name, string database)
    {
        // no special characters: the connection string then needs no quoting
        var password = ParameterResourceBuilderExtensions.CreateDefaultPasswordParameter(builder, $"{name}-password", special: false);
        return builder.AddResource(new ClickHouseResource(name, password, database))
            .WithImage("clickhouse/clickhouse-server", "26.8")
            .WithHttpEndpoint(targetPort: 8123, name: ClickHouseResource.HttpEndpointName)
            .WithHttpHealthCheck("/ping", endpointName: ClickHouseResource.HttpEndpointName)
            .WithEnvironment("CLICKHOUSE_USER", ClickHouseResource.UserName)
            .WithEnvironment(context => context.EnvironmentVariables["CLICKHOUSE_PASSWORD"] = password)
            .WithEnvironment("CLICKHOUSE_DB", database)
            // the image's recommendation: https://hub.docker.com/r/clickhouse/clickhouse-server
            .WithContainerRuntimeArgs("--ulimit", "nofile=262144:262144");
    }

    /// <summary>Keeps the data in a named volume.</summary>
    public static IResourceBuilder<ClickHouseResource> WithDataVolume(this IResourceBuilder<ClickHouseResource> builder) =>
        builder.WithVolume(VolumeNameGenerator.Generate(builder, "data"), "/var/lib/clickhouse");
}
