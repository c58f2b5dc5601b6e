using OrderPlatform.AppHost;

// The container mode. Run: engines in containers on this machine. Published: services on Azure Container Apps, engines hosted elsewhere.
var builder = DistributedApplication.CreateBuilder(args);
var isRun = builder.ExecutionContext.IsRunMode;
if (!isRun)
{
    builder.AddAzureContainerAppEnvironment("aca");
}
var engines = isRun ? Engines.InContainers(builder) : Engines.Hosted(builder);

// Waits for every engine, so that the services need to wait for nothing else. Deployed, the job waits to be started: azure.yaml does so.
var setup = AddProject<Projects.OrderPlatform_Setup>("setup")
    .WithReference(engines.Orders).WaitFor(engines.Orders)
    .WithReference(engines.Views).WaitFor(engines.Views)
    .WithReference(engines.Kafka).WaitFor(engines.Kafka)
    .WithReference(engines.ClickHouse).WaitFor(engines.ClickHouse)
    .WaitFor(engines.Redis)
    .WithEnvironment("Kafka__ReplicationFactor", isRun ? "1" : "3")
    .PublishAsAzureContainerAppJob();

// Its owner holds a lease, so a second replica would only wait. Without HTTP traffic it must not scale to zero.
var relay = AddService<Projects.OrderPlatform_Relay>("relay")
    .WithReference(engines.Orders)
    .WithReference(engines.Kafka)
    .ScaledBetween(1, 1);

// Members of consumer groups: no HTTP traffic either, so their number is fixed.
var projections = AddService<Projects.OrderPlatform_Projections>("projections")
    .WithReference(engines.Orders)
    .WithReference(engines.Views)
    .WithReference(engines.Kafka)
    .WithReference(engines.Redis)
    .WithReference(engines.ClickHouse)
    .WithReplicas(2)
    .ScaledBetween(2, 2);

// Its saga participants consume too: never zero.
var api = AddService<Projects.OrderPlatform_Api>("api", port: isRun ? 5080 : null)
    .WithReference(engines.Orders)
    .WithReference(engines.Views)
    .WithReference(engines.Kafka)
    .WithReference(engines.Redis)
    .WithReference(engines.ClickHouse)
    // what is encrypted with it outlives every run and deployment, so a deployed one is given, not generated
    .WithEnvironment("Privacy__MasterKey", isRun ? builder.AddGeneratedSecret("privacy-master-key") : builder.AddParameter("privacy-master-key", secret: true))
    .WithExternalHttpEndpoints()
    .ScaledBetween(2, 6);

if (isRun)
{
    setup.WithEnvironment("Authentication__DevelopmentKey", builder.AddGeneratedSecret("development-api-key"));

    var prometheus = builder.AddPrometheus("prometheus");
    builder.AddGrafana("grafana", prometheus);
    foreach (var service in (IResourceBuilder<ProjectResource>[])[relay, projections, api])
    {
        service.WithMetricsPushedTo(prometheus);
    }
}

builder.Build().Run();

IResourceBuilder<ProjectResource> AddService<TProject>(string name, int? port = null) where TProject : IProjectMetadata, new() =>
    AddProject<TProject>(name)
        .WithHttpEndpoint(port)
        .WithHttpHealthCheck("/health")
        .WaitForCompletion(setup);

IResourceBuilder<ProjectResource> AddProject<TProject>(string name) where TProject : IProjectMetadata, new()
{
    var project = builder.AddProject<TProject>(name, options => options.ExcludeLaunchProfile = true);
    // the orchestrator does not hand its own environment name on
    return isRun ? project.WithEnvironment("DOTNET_ENVIRONMENT", builder.Environment.EnvironmentName) : project;
}
