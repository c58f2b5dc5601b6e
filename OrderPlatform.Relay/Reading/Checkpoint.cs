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
