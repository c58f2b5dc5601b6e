using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>
/// How far the log has been published. What a snapshot of PostgreSQL shows is told by the snapshot itself: everything
/// visible in From is published; of what To shows beyond that, everything up to Position.
/// </summary>
/// <param name="From">A snapshot (pg_snapshot as text): all that it shows is published.</param>
/// <param name="To">The snapshot that the open window ends with; null when no window is open.</param>
/// <param name="Position">Last published position of the open window; 0 before its first.</param>
public sealed record Checkpoint(string From, string? To, long Position)
{
    /// <summary>Before the first transaction.</summary>
    public static Checkpoint Beginning { get; } = After("3:3:"); // 3 is the first transaction id that PostgreSQL gives

    /// <summary>After a window: all that its last snapshot shows is published.</summary>
    public static Checkpoint After(string snapshot) => new(snapshot, null, 0);
}

/// <summary>A place among the events of the WAL, in the order of their commits.</summary>
/// <param name="CommitLsn">Where the commit of the event's transaction stands.</param>
/// <param name="Ordinal">The event's number in its transaction, from 1.</param>
public readonly record struct WalPosition(NpgsqlLogSequenceNumber CommitLsn, long Ordinal)
{
    /// <summary>Whether an event at this place is published once those up to <paramref name="done"/> are.</summary>
    public bool IsUpTo(WalPosition done) => CommitLsn < done.CommitLsn || (CommitLsn == done.CommitLsn && Ordinal <= done.Ordinal);
}

/// <summary>How far a replication slot's events have been published.</summary>
/// <param name="Slot">The slot, which tells everything from the checkpoint on, and may repeat.</param>
/// <param name="Done">What is published of it.</param>
public sealed record SlotCheckpoint(string Slot, WalPosition Done);
