namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A topic's settings under Apache Kafka's names; only those that mean something on this broker exist.</summary>
internal sealed class TopicConfig
{
    private static readonly long Unlimited = -1;

    /// <summary>Every setting: its name, its default, and what it may be. Types as in DescribeConfigs (2 string, 3 int, 5 long, 7 list).</summary>
    public static readonly IReadOnlyList<ConfigDefinition> Definitions =
    [
        new("cleanup.policy", "delete", 7, "delete", v => v == "delete"),
        new("compression.type", "producer", 2, "producer", v => v == "producer"),
        new("max.message.bytes", "1048588", 3, "61 to 33554432", v => int.TryParse(v, out var n) && n is >= RecordBatchHeader.Size and <= 32 << 20),
        new("message.timestamp.type", "CreateTime", 2, "CreateTime", v => v == "CreateTime"),
        new("min.insync.replicas", "1", 3, "1", v => v == "1"),
        new("retention.bytes", $"{Unlimited}", 5, "-1 or a number of bytes", v => long.TryParse(v, out var n) && n >= -1),
        new("retention.ms", $"{Unlimited}", 5, "-1 or a number of milliseconds", v => long.TryParse(v, out var n) && n >= -1),
        new("segment.bytes", $"{64 << 20}", 3, "1024 to 1073741824", v => int.TryParse(v, out var n) && n is >= 1024 and <= 1 << 30),
        new("segment.ms", $"{TimeSpan.FromDays(7).TotalMilliseconds}", 5, "1 or more milliseconds", v => long.TryParse(v, out var n) && n >= 1),
    ];

    private readonly IReadOnlyDictionary<string, string> _set;

    public TopicConfig(IReadOnlyDictionary<string, string> set)
    {
        _set = set;
        MessageBytesMax = (int)Number("max.message.bytes");
        RetentionBytes = Number("retention.bytes");
        RetentionMs = Number("retention.ms");
        SegmentBytes = (int)Number("segment.bytes");
        SegmentMs = Number("segment.ms");
    }

    public static TopicConfig Default { get; } = new(new Dictionary<string, string>());

    public int MessageBytesMax { get; }

    /// <summary>-1: without limit.</summary>
    public long RetentionBytes { get; }

    /// <summary>-1: without limit.</summary>
    public long RetentionMs { get; }

    public int SegmentBytes { get; }
    public long SegmentMs { get; }

    public bool IsSet(string name) => _set.ContainsKey(name);

    public string Value(string name) => _set.TryGetValue(name, out var value) ? value : Definitions.Single(d => d.Name == name).Default;

    /// <summary>Why the setting cannot be, in a sentence; null when it can.</summary>
    public static string? Fault(string name, string? value) => Definitions.FirstOrDefault(d => d.Name == name) switch
    {
        null => $"Unknown topic config {name}: this broker knows {string.Join(", ", Definitions.Select(d => d.Name))}.",
        var d when value is null || !d.Allows(value) => $"Invalid value {value ?? "null"} for {name}: it may be {d.Allowed}.",
        _ => null,
    };

    private long Number(string name) => long.Parse(Value(name));
}

/// <param name="Allowed">What it may be, for a person.</param>
internal sealed record ConfigDefinition(string Name, string Default, sbyte Type, string Allowed, Func<string, bool> Allows);
