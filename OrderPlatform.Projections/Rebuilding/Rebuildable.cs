using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>A projection that can be rebuilt.</summary>
/// <param name="Name">One of <see cref="RebuildableProjections"/>.</param>
/// <param name="Topic">What it is built from.</param>
/// <param name="ShadowOf">Its shadow for a rebuild.</param>
/// <param name="ResetAsync">Sets the live progress back to offsets by partition; where it is before them it stays.</param>
internal sealed record Rebuildable(string Name, string Topic, Func<RebuildJob, IShadow> ShadowOf, Func<IReadOnlyDictionary<int, long>, CancellationToken, Task> ResetAsync);

/// <summary>Registration of rebuilding.</summary>
internal static class RebuildingExtensions
{
    public static void AddRebuilding(this IServiceCollection services)
    {
        services.AddSingleton<RebuildJobs>().AddHostedService<RebuildWorker>();
        services.AddSingleton(OrderView).AddSingleton(Rankings).AddSingleton(SalesFacts);
    }

    private static Rebuildable OrderView(IServiceProvider services)
    {
        var views = services.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Views);
        return new Rebuildable(
            RebuildableProjections.OrderView, Topics.OrderEvents,
            job => new OrderViewShadow(views, services.GetRequiredService<ILogger<OrderViewProjection>>(), job.Id),
            (offsets, cancellation) => PostgresProgress.ResetAsync(views, RebuildableProjections.OrderView, offsets, cancellation));
    }

    private static Rebuildable Rankings(IServiceProvider services)
    {
        var redis = services.GetRequiredService<IConnectionMultiplexer>();
        return new Rebuildable(
            RebuildableProjections.Rankings, Topics.OrderEvents,
            job => new RankingsShadow(redis, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<RankingsProjection>>(), job.Id, job.Epoch),
            new RankingStore(redis).ResetAsync);
    }

    private static Rebuildable SalesFacts(IServiceProvider services)
    {
        var views = services.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Views);
        var orders = services.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Orders);
        return new Rebuildable(
            RebuildableProjections.SalesFacts, Topics.OrdersAnalytics,
            job =>
            {
                var planned = new PlannedRecords(services.GetRequiredService<IConfiguration>(), Topics.OrdersAnalytics, job.LogHorizon is { } horizon ? new EventLogSource(orders, Topics.OrdersAnalytics, horizon) : null);
                return new SalesFactsShadow(views, services.GetRequiredService<ClickHouseClient>(), planned, Topics.OrdersAnalytics, services.GetRequiredService<ILogger<SalesFactsProjection>>(), job.Id);
            },
            (offsets, cancellation) => PostgresProgress.ResetAsync(views, RebuildableProjections.SalesFacts, offsets, cancellation));
    }
}
