namespace OrderPlatform.Consuming;

/// <summary>Registration of projections.</summary>
public static class ProjectionExtensions
{
    /// <summary>Adds a projection with a consumer of its own.</summary>
    public static void AddProjection<TSink>(this IServiceCollection services)
        where TSink : class, ISink
    {
        services.AddSingleton<TSink>();
        services.AddSingleton<IHostedService>(provider => new PartitionConsumer(
            provider.GetRequiredService<TSink>(), provider.GetRequiredService<IConfiguration>(), provider.GetRequiredService<ProjectionState>(), provider.GetRequiredService<ILogger<PartitionConsumer>>()));
    }
}
