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

    [LoggerMessage(4, LogLevel.Error, "{Projection} parked the key {Key} at {Record}: {Reason}")]
    public static partial void Parked(ILogger logger, string projection, string key, string record, string reason);

    [LoggerMessage(5, LogLevel.Warning, "{Projection}: {Record} is a dead letter in the table alone, its dead-letter topic refuses it: {Reason}")]
    public static partial void TooLargeForDeadLetters(ILogger logger, string projection, string record, string reason);

    [LoggerMessage(6, LogLevel.Warning, "The alert of {Letters} dead letters could not be delivered and is sent again in {Seconds:0.0} s: {Reason}")]
    public static partial void AlertNotDelivered(ILogger logger, long letters, string reason, double seconds);
}
