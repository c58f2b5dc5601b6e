using System.ComponentModel.DataAnnotations;

namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>Configuration section <c>ServiceLevels</c>.</summary>
public sealed class ServiceLevelOptions
{
    /// <summary>What the indicators look back on.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "400.00:00:00")]
    public TimeSpan Window { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often counts are written down; a kill -9 loses what was counted since.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(3);
}
