namespace OrderPlatform.Contracts.Events;

/// <summary>What a record of a dead-letter topic says of itself, beside the headers, key and value of the original. Texts in UTF-8.</summary>
public static class DeadLetterHeaders
{
    /// <summary>Who could not take it.</summary>
    public const string Consumer = "dead-letter-consumer";

    /// <summary>Why.</summary>
    public const string Error = "dead-letter-error";

    /// <summary>How often it has failed; 0 for one that waits behind another of its key.</summary>
    public const string Attempts = "dead-letter-attempts";

    /// <summary>Where the original stands: its topic,</summary>
    public const string Topic = "dead-letter-topic";

    /// <summary>its partition,</summary>
    public const string Partition = "dead-letter-partition";

    /// <summary>and its offset.</summary>
    public const string Offset = "dead-letter-offset";

    /// <summary>When it was parked, ISO 8601 UTC.</summary>
    public const string Time = "dead-letter-time";
}
