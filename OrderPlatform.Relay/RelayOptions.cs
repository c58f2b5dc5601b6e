using System.ComponentModel.DataAnnotations;

namespace OrderPlatform.Relay;

/// <summary>How the log is read.</summary>
public enum RelayMode
{
    /// <summary>CDC where PostgreSQL decodes logically (wal_level) and the role may replicate, else polling.</summary>
    Auto,

    /// <summary>By queries, a snapshot after another: needs nothing of PostgreSQL.</summary>
    Polling,

    /// <summary>From the WAL, through a replication slot: events come when they commit, and an idle relay asks nothing.</summary>
    Cdc,
}

/// <summary>Settings of the relay, section <c>Relay</c>.</summary>
public sealed class RelayOptions
{
    /// <summary>How the log is read. It can be changed from one start to the next: nothing is lost, repeats drop by their sequence.</summary>
    [EnumDataType(typeof(RelayMode))]
    public RelayMode Mode { get; set; }

    /// <summary>Name of the replication slot in CDC mode. It is unique in the whole cluster, so each database with a relay needs its own.</summary>
    [RegularExpression("^[a-z0-9_]{1,63}$")]
    public string Slot { get; set; } = "orderplatform_relay";

    /// <summary>Whether the changes of tables are published too, from a slot of their own. When they are not, there is no such slot.</summary>
    public bool Tables { get; set; } = true;

    /// <summary>Name of the replication slot for the changes of tables; unique in the whole cluster as well.</summary>
    [RegularExpression("^[a-z0-9_]{1,63}$")]
    public string TablesSlot { get; set; } = "orderplatform_tables";

    /// <summary>Rows of a table that a snapshot reads at once; Debezium's default.</summary>
    [Range(1, 10_000)]
    public int SnapshotChunk { get; set; } = 1024;

    /// <summary>Whether standbys keep a copy of the slot, so that it outlives a failover; decided when the slot is made. PostgreSQL 17 and later.</summary>
    public bool SlotFailover { get; set; }

    /// <summary>Events read and published at once. More is faster after a pause and repeats more after a crash.</summary>
    [Range(1, 50_000)]
    public int BatchSize { get; set; } = 4000;

    /// <summary>The pause after a read that found nothing new, right after one that did.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:00:10")]
    public TimeSpan ShortestPause { get; set; } = TimeSpan.FromMilliseconds(2);

    /// <summary>The pause that a longer silence grows to: the price of an idle polling relay is one query in this time.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan LongestPause { get; set; } = TimeSpan.FromMilliseconds(40);

    /// <summary>An event of more bytes (value and headers) is parked without being sent. Kafka's own default limit is 1,048,588 for a batch.</summary>
    [Range(1_000, 100_000_000)]
    public int MaxEventBytes { get; set; } = 950_000;

    /// <summary>A holder that has been silent for this long has lost the lease.</summary>
    [Range(typeof(TimeSpan), "00:00:00.500", "00:01:00")]
    public TimeSpan LeaseTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>When health turns red because nothing comes through, heartbeats included; and the age from which it is degraded by a write transaction and names its holder.</summary>
    [Range(typeof(TimeSpan), "00:00:02", "00:10:00")]
    public TimeSpan StallBound { get; set; } = TimeSpan.FromSeconds(10);
}
