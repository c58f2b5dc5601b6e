namespace OrderPlatform.Engines.Kafka;

/// <summary>How the broker runs.</summary>
public sealed record KafkaOptions
{
    /// <summary>The port on 127.0.0.1; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>The port that clients are told to connect to, when it is not <see cref="Port"/> because something stands between; 0 when nothing does.</summary>
    public int AdvertisedPort { get; init; }

    /// <summary>Where everything is kept; made when missing, and used by one broker at a time.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Make a topic with one partition when a client asks for one that does not exist. Off, because a typing error should be one.</summary>
    public bool AutoCreateTopics { get; init; }

    /// <summary>How often segments are looked at for their age.</summary>
    public TimeSpan RetentionInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a request may take to arrive once its first byte has.</summary>
    public TimeSpan FrameBound { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock of retention, sessions and time-outs.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
