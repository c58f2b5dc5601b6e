using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay;

/// <summary>What the relay says.</summary>
internal static partial class RelayLog
{
    [LoggerMessage(1, LogLevel.Information, "Publishing as the holder of lease {Lease}, epoch {Epoch}, mode {Mode}")]
    public static partial void LeaseTaken(ILogger logger, string lease, long epoch, RelayMode mode);

    [LoggerMessage(2, LogLevel.Warning, "Publishing stopped: {Reason} It starts again from the checkpoint in {Seconds:0.0} s")]
    public static partial void Restarting(ILogger logger, string reason, double seconds);

    [LoggerMessage(3, LogLevel.Error, "Replication slot {Slot} was there and is {Condition}. It is made again; the events since its last heartbeat are read from the event log: none is lost, a few are repeated. If it was PostgreSQL that gave it up, raise max_slot_wal_keep_size or find out why the relay was away")]
    public static partial void SlotLost(ILogger logger, string slot, SlotCondition condition);
}
