using OrderPlatform.Relay.Reading;
using OrderPlatform.Relay.Tables;

namespace OrderPlatform.Relay;

/// <summary>What the relay says.</summary>
internal static partial class RelayLog
{
    [LoggerMessage(1, LogLevel.Information, "Publishing as the holder of lease {Lease}, epoch {Epoch}, mode {Mode}")]
    public static partial void LeaseTaken(ILogger logger, string lease, long epoch, RelayMode mode);

    [LoggerMessage(2, LogLevel.Warning, "Publishing under lease {Lease} stopped: {Reason} It starts again from the checkpoint in {Seconds:0.0} s")]
    public static partial void Restarting(ILogger logger, string lease, string reason, double seconds);

    [LoggerMessage(3, LogLevel.Error, "Replication slot {Slot} was there and is {Condition}. It is made again, and {Healing}: nothing is lost, some is repeated. If it was PostgreSQL that gave it up, raise max_slot_wal_keep_size or find out why the relay was away")]
    public static partial void SlotLost(ILogger logger, string slot, SlotCondition condition, string healing);

    [LoggerMessage(4, LogLevel.Information, "Publishing the changes of tables as the holder of lease {Lease}, epoch {Epoch}")]
    public static partial void TablesLeaseTaken(ILogger logger, string lease, long epoch);

    [LoggerMessage(5, LogLevel.Information, "Snapshot of table {Table} goes on: {Phase}")]
    public static partial void SnapshotBegins(ILogger logger, string table, SnapshotPhase phase);

    [LoggerMessage(6, LogLevel.Warning, "Signal {Signal} of cdc_signals is not done: {Problem}")]
    public static partial void SignalNotUnderstood(ILogger logger, string signal, string problem);
}
