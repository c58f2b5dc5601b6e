using System.Text.Json;

namespace OrderPlatform.Api.Operations;

/// <summary>A record that a consumer could not take, or one that waits behind such a one.</summary>
/// <param name="Consumer">The projection or participant; relay: what Kafka refused.</param>
/// <param name="Topic">Where it stands, or would.</param>
/// <param name="Partition">Null for the relay's, which never came into its topic.</param>
/// <param name="Offset">Null for the relay's.</param>
/// <param name="Key">What is parked with it: every later record of this key waits.</param>
/// <param name="State">Failed: waits for a person. Waiting: goes on by itself when its turn comes. Redriven: given back to its consumer. Discarded: closed without it.</param>
/// <param name="Error">Why, at the last attempt.</param>
/// <param name="Attempts">How often it has failed; 0 for one that only waits.</param>
/// <param name="ClosedAt">When it was redriven or discarded.</param>
internal record DeadLetter(
    string Id, string Consumer, string Topic, int? Partition, long? Offset, string Key, DeadLetterState State, string Error, int Attempts, DateTimeOffset ParkedAt, DateTimeOffset? ClosedAt);

/// <summary>Where a dead letter is in its life.</summary>
internal enum DeadLetterState
{
    Failed,
    Waiting,
    Redriven,
    Discarded,
}

/// <summary>A dead letter with all that is known of it.</summary>
internal sealed record InspectedDeadLetter : DeadLetter
{
    public InspectedDeadLetter(DeadLetter letter)
        : base(letter)
    {
    }

    /// <summary>The record's headers as text.</summary>
    public required IReadOnlyList<DeadLetterHeader> Headers { get; init; }

    /// <summary>The record's value when it is JSON.</summary>
    public required JsonElement? Value { get; init; }

    /// <summary>The same when it is not.</summary>
    public required string? ValueBase64 { get; init; }

    /// <summary>What is redriven instead; null when it was not edited.</summary>
    public required JsonElement? EditedValue { get; init; }

    /// <summary>Who did what, and why, oldest first.</summary>
    public required IReadOnlyList<DeadLetterAction> History { get; init; }
}

/// <summary>A header of a record; a name may stand there more than once.</summary>
internal sealed record DeadLetterHeader(string Name, string? Value);

/// <summary>Something that was done to a dead letter.</summary>
/// <param name="By">An API key's name, or the consumer.</param>
/// <param name="Reason">Why: the words of whoever did it, or the error.</param>
internal sealed record DeadLetterAction(DateTimeOffset At, DeadLetterActionKind Action, string By, string? Reason);

/// <summary>What can be done to a dead letter.</summary>
internal enum DeadLetterActionKind
{
    Parked,
    FailedAgain,
    RedriveRequested,
    Redriven,
    Discarded,
}
