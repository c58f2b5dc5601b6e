using Confluent.Kafka;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>A failure that names the record whose fault it is: its key is parked, all others flow on. A sink may throw it, too.</summary>
/// <param name="source">Where the record stands.</param>
/// <param name="message">What is wrong with it.</param>
public sealed class PoisonRecordException(TopicPartitionOffset source, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Where the record stands.</summary>
    public TopicPartitionOffset Record => source;
}
