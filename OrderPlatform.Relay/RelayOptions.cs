using System.ComponentModel.DataAnnotations;

namespace OrderPlatform.Relay;

/// <summary>Settings of the relay, section <c>Relay</c>.</summary>
public sealed class RelayOptions
{
    /// <summary>Events read and published before the checkpoint moves. More is faster after a pause and repeats more after a crash.</summary>
    [Range(1, 50_000)]
    public int BatchSize { get; set; } = 4000;

    /// <summary>The pause after a read that found nothing new, right after one that did.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:00:10")]
    public TimeSpan ShortestPause { get; set; } = TimeSpan.FromMilliseconds(2);

    /// <summary>The pause that a longer silence grows to: the price of an idle relay is one query in this time.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan LongestPause { get; set; } = TimeSpan.FromMilliseconds(40);

    /// <summary>An event of more bytes (value and headers) is parked without being sent. Kafka's own default limit is 1,048,588 for a batch.</summary>
    [Range(1_000, 100_000_000)]
    public int MaxEventBytes { get; set; } = 950_000;

    /// <summary>A holder that has been silent for this long has lost the lease.</summary>
    [Range(typeof(TimeSpan), "00:00:00.500", "00:01:00")]
    public TimeSpan LeaseTimeout { get; set; } = TimeSpan.FromSeconds(3);
}
