using System.ComponentModel.DataAnnotations;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>Settings of the dead letters' alert, section <c>DeadLetters</c>.</summary>
public sealed class DeadLetterOptions
{
    /// <summary>Where the alert is posted to as JSON; none is sent without it.</summary>
    [Url]
    public string? Webhook { get; set; }

    /// <summary>How many letters must be open for an alert. The next one is sent when there have been fewer in between.</summary>
    [Range(1, int.MaxValue)]
    public int AlertThreshold { get; set; } = 1;
}
