using Microsoft.Extensions.Logging;

namespace OrderPlatform.Engines.Kafka;

/// <summary>Everything the broker says to a person.</summary>
internal sealed partial class KafkaLog(ILogger logger)
{
    private readonly ILogger _logger = logger;

    [LoggerMessage(1, LogLevel.Information, "Listening on {Address} with {Topics} topics and {Groups} groups from {Folder}")]
    public partial void Listening(string address, int topics, int groups, string folder);

    [LoggerMessage(2, LogLevel.Information, "Topic {Topic} created with {Partitions} partitions")]
    public partial void TopicCreated(string topic, int partitions);

    [LoggerMessage(3, LogLevel.Information, "Topic {Topic} deleted")]
    public partial void TopicDeleted(string topic);

    [LoggerMessage(4, LogLevel.Warning, "{Partition}: a write was torn by the end of the process; its {Bytes} bytes, never acknowledged, are cut off {Path} at byte {Position}")]
    public partial void TornTailCut(string partition, int bytes, string path, int position);

    [LoggerMessage(5, LogLevel.Error, "{Partition} answers KAFKA_STORAGE_ERROR: {Damage}")]
    public partial void PartitionDamaged(string partition, string damage);

    [LoggerMessage(6, LogLevel.Error, "{Partition} answers KAFKA_STORAGE_ERROR to producers until there is space: {Reason}")]
    public partial void WriteFailed(string partition, string reason);

    [LoggerMessage(14, LogLevel.Warning, "Client {ClientId} asked for transactions, which this broker does not have: leave transactional.id unset (enable.idempotence works)")]
    public partial void TransactionsRefused(string clientId);

    [LoggerMessage(13, LogLevel.Information, "{Partition}: writing works again")]
    public partial void WritesAgain(string partition);

    [LoggerMessage(7, LogLevel.Information, "{Partition}: retention deleted the segment at {Offset}; the log starts at {StartOffset}")]
    public partial void SegmentDeleted(string partition, long offset, long startOffset);

    [LoggerMessage(8, LogLevel.Information, "Group {Group} is at generation {Generation} with {Members} members")]
    public partial void GroupRebalanced(string group, int generation, int members);

    [LoggerMessage(9, LogLevel.Information, "Group {Group}: member {Member} is gone: {Reason}")]
    public partial void MemberGone(string group, string member, string reason);

    [LoggerMessage(10, LogLevel.Warning, "Connection of {Remote} dropped: {Reason}")]
    public partial void ConnectionDropped(string remote, string reason);

    [LoggerMessage(11, LogLevel.Warning, "{Count} more connections dropped in {Seconds:0} s")]
    public partial void MoreConnectionsDropped(int count, double seconds);

    [LoggerMessage(12, LogLevel.Warning, "Group offsets: a write was torn by the end of the process; its {Bytes} bytes, never acknowledged, are cut off {Path}")]
    public partial void OffsetsTailCut(long bytes, string path);
}
