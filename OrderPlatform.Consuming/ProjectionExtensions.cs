using Npgsql;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming;

/// <summary>Registration of projections.</summary>
public static class ProjectionExtensions
{
    /// <summary>Adds a projection with a consumer of its own. It needs the connections <c>kafka</c> and <c>orders</c>, where dead letters are.</summary>
    public static void AddProjection<TSink>(this IServiceCollection services)
        where TSink : class, ISink
    {
        services.AddSingleton<TSink>();
        services.AddSingleton<IHostedService>(provider => new PartitionConsumer(
            provider.GetRequiredService<TSink>(), provider.GetRequiredService<IConfiguration>(), provider.GetRequiredService<ProjectionState>(), provider.GetRequiredService<ILogger<PartitionConsumer>>(),
            provider.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Orders)));
    }

    /// <summary>Adds what tells of all dead letters of the platform: metrics and the alert. One process of the platform has it, or several replicas of one.</summary>
    public static void AddDeadLetterMonitor(this IServiceCollection services)
    {
        services.AddOptions<DeadLetterOptions>().BindConfiguration("DeadLetters").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<DeadLetterAlert>().AddHostedService<DeadLetterMonitor>();
    }
}
