using System.Threading.Channels;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>What the slot tells next: an event, or the end of a transaction.</summary>
/// <param name="Event">The event; null at the end of a transaction.</param>
/// <param name="Position">Its place; at the end of a transaction that of its last event.</param>
/// <param name="End">Where the transaction ends in the WAL: once all before is published, the slot need not keep it.</param>
/// <param name="Heartbeat">The heartbeat that the transaction was, if it was one.</param>
internal readonly record struct WalEntry(LoggedEvent? Event, WalPosition Position, NpgsqlLogSequenceNumber End, Heartbeat? Heartbeat);

/// <summary>What the slot has told since the last piece, and how far it is published once the events are.</summary>
/// <param name="Position">Of the last event; null without one.</param>
/// <param name="End">Of the last transaction that ends here; null when none does.</param>
/// <param name="Heartbeat">The last one; null when there was none.</param>
internal sealed record WalPiece(IReadOnlyList<LoggedEvent> Events, WalPosition? Position, NpgsqlLogSequenceNumber? End, Heartbeat? Heartbeat)
{
    /// <summary>Takes what is there by now, at most so many events.</summary>
    public static WalPiece Take(ChannelReader<WalEntry> entries, int limit)
    {
        var events = new List<LoggedEvent>();
        var (position, end, heartbeat) = ((WalPosition?)null, (NpgsqlLogSequenceNumber?)null, (Heartbeat?)null);
        while (events.Count < limit && entries.TryRead(out var entry))
        {
            if (entry.Event is { } logged)
            {
                events.Add(logged);
                position = entry.Position;
            }
            else
            {
                (end, heartbeat) = (entry.End, entry.Heartbeat ?? heartbeat);
            }
        }
        return new WalPiece(events, position, end, heartbeat);
    }
}
