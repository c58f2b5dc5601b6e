using System.Diagnostics;

namespace OrderPlatform.ServiceDefaults;

/// <summary>
/// Spans of work on batches of events. One trace runs from a request to the last store: each traced event gets a span in the trace
/// of the request that caused it, and the batch has a span of its own, joined to them by links
/// (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/). Without a listener nothing is made.
/// </summary>
public static class EventSpans
{
    // the SDK keeps no more of a span
    private const int MaxLinks = 128;

    /// <summary>Begins the span of a batch; what is done until it is stopped is within it.</summary>
    /// <param name="name">What is done, such as <c>rankings write</c>.</param>
    /// <param name="traceParents">Of each event, as the event log and the header have it; null for one that has none.</param>
    /// <returns>Null when nobody listens, or no event is traced.</returns>
    public static Activity? StartBatch(string name, ActivityKind kind, IEnumerable<string?> traceParents)
    {
        if (!Telemetry.Activities.HasListeners())
        {
            return null;
        }
        var links = Contexts(traceParents).Distinct().Take(MaxLinks).Select(context => new ActivityLink(context)).ToList();
        return links.Count == 0 ? null : Telemetry.Activities.StartActivity(name, kind, parentContext: default, links: links);
    }

    /// <summary>Ends the span of a batch and writes those of its events, which took as long.</summary>
    public static void EndBatch(this Activity? batch, IEnumerable<string?> traceParents)
    {
        if (batch is null)
        {
            return;
        }
        batch.Stop();
        foreach (var context in Contexts(traceParents))
        {
            using var span = Telemetry.Activities.StartActivity(batch.OperationName, batch.Kind, context, links: [new ActivityLink(batch.Context)], startTime: new DateTimeOffset(batch.StartTimeUtc));
            span?.SetEndTime(batch.StartTimeUtc + batch.Duration);
        }
    }

    private static IEnumerable<ActivityContext> Contexts(IEnumerable<string?> traceParents)
    {
        foreach (var traceParent in traceParents)
        {
            if (ActivityContext.TryParse(traceParent, traceState: null, isRemote: true, out var context) && context.TraceFlags.HasFlag(ActivityTraceFlags.Recorded))
            {
                yield return context;
            }
        }
    }
}
