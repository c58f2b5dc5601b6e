namespace OrderPlatform.Consuming;

/// <summary>What the consuming side says.</summary>
public static partial class ProjectionLog
{
    [LoggerMessage(1, LogLevel.Warning, "{Projection} starts over from its store's progress in {Seconds:0.0} s: {Reason}")]
    public static partial void StartingOver(ILogger logger, string projection, string reason, double seconds);

    [LoggerMessage(2, LogLevel.Warning, "{Projection} could not write {Records} records and tries again in {Seconds:0.0} s: {Reason}")]
    public static partial void Retrying(ILogger logger, string projection, int records, string reason, double seconds);

    [LoggerMessage(3, LogLevel.Error, "{Projection}: {Aggregate} went from sequence {Last} to {Next}: events in between are missing")]
    public static partial void Gap(ILogger logger, string projection, string aggregate, int last, int next);
}
