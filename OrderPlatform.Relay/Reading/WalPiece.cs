using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>What the slot has told since the last piece, and how far it is published once the events are.</summary>
/// <param name="Position">Of the last event; null without one.</param>
/// <param name="End">Where the last transaction that ends here ends in the WAL: once all before is published, the slot need not keep it. Null when none ends here.</param>
/// <param name="Heartbeat">The last one; null when there was none.</param>
internal sealed record WalPiece(IReadOnlyList<LoggedEvent> Events, WalPosition? Position, NpgsqlLogSequenceNumber? End, Heartbeat? Heartbeat);
