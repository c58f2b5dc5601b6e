namespace OrderPlatform.AppHost;

/// <summary>What several resources need.</summary>
internal static class ResourceExtensions
{
    /// <summary>A secret of this machine: generated once and kept in user secrets, because what it protects is in a volume that outlives the run.</summary>
    public static IResourceBuilder<ParameterResource> AddGeneratedSecret(this IDistributedApplicationBuilder builder, [ResourceName] string name) =>
        builder.AddParameter(name, new GenerateParameterDefault { MinLength = 32, Special = false }, secret: true, persist: true);

    /// <summary>How many replicas Azure Container Apps may run; nothing when not published.</summary>
    public static IResourceBuilder<ProjectResource> ScaledBetween(this IResourceBuilder<ProjectResource> service, int least, int most) =>
        service.PublishAsAzureContainerApp((_, app) =>
        {
            app.Template.Scale.MinReplicas = least;
            app.Template.Scale.MaxReplicas = most;
        });
}
