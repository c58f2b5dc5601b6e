using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Consuming;

/// <summary>Counts lag and freshness of everything that is written.</summary>
public static class ProjectionServiceLevels
{
    public static void Count(this ProjectionState state, ServiceLevelRecorder levels) => state.Written = (store, batch, at) =>
    {
        var freshness = Indicator.Freshness(store);
        foreach (var record in batch)
        {
            levels.Took(freshness, at - record.RecordedAt);
            // derived topics are published by a projection: the relay's part is over by then
            if (record.Source.Topic != Topics.OrdersAnalytics)
            {
                levels.Took(Indicator.CdcLag, record.PublishedAt - record.RecordedAt);
            }
        }
    };
}
