namespace OrderPlatform.Relay.Reading;

/// <summary>
/// How far the log has been published. Positions may become visible late, so what is done is told in windows of transaction
/// ids: everything below From is published; of the open window From &lt;= transaction id &lt; To, everything up to Position.
/// </summary>
/// <param name="From">Start of the window, inclusive.</param>
/// <param name="To">End of the window, exclusive: a horizon that was seen, below which every transaction had ended. Equal to From when no window is open.</param>
/// <param name="Position">Last published position of the open window; 0 before its first.</param>
public sealed record Checkpoint(ulong From, ulong To, long Position)
{
    /// <summary>Whether a window is being worked through.</summary>
    public bool IsOpen => To > From;

    /// <summary>The same window, published up to a position.</summary>
    public Checkpoint At(ulong to, long position) => new(From, to, position);

    /// <summary>After a window: everything below its end is published.</summary>
    public static Checkpoint After(ulong to) => new(to, to, 0);
}
