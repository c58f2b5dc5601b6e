using OrderPlatform.Api.Authentication;

namespace OrderPlatform.Api.Analytics;

/// <summary>The endpoints of analytics.</summary>
internal static class AnalyticsApi
{
    public static void MapAnalytics(this WebApplication app)
    {
        var analytics = app.MapGroup("/analytics").WithTags("Analytics").RequireScope(Scopes.AnalyticsRead);

        analytics.MapGet("/sales", GetSales.HandleAsync).WithName("GetSales").WithSummary("Orders and revenue by hour or day").Produces<Sales>();
        analytics.MapGet("/status", GetStatuses.HandleAsync).WithName("GetStatuses").WithSummary("Orders by status").Produces<Statuses>();
    }
}
