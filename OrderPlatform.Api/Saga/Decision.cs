namespace OrderPlatform.Api.Saga;

/// <summary>What reaches a participant: an event of another one, or an answer from outside.</summary>
/// <param name="Event">What happened.</param>
/// <param name="Sequence">An event's number within its aggregate: for an order's event, the order's version.</param>
public sealed record Message(object Event, int Sequence);

/// <summary>What a participant decides. The same state and message always give the same decision, and every state has one for every message.</summary>
/// <param name="State">What it knows from now on; the very same object when nothing has changed.</param>
/// <param name="Events">What it tells, in order.</param>
public sealed record Decision<TState>(TState State, params IReadOnlyList<object> Events)
{
    public static implicit operator Decision<TState>(TState state) => new(state);
}

/// <summary>What a participant knows of one order.</summary>
public interface ISagaState<TSelf>
    where TSelf : ISagaState<TSelf>
{
    /// <summary>The order.</summary>
    string OrderId { get; }

    /// <summary>Sequence of the last event that was told of it; 0 before the first.</summary>
    int Sequence { get; }

    /// <summary>When the participant acts by itself; null while it waits for a message.</summary>
    DateTimeOffset? DueAt { get; }

    /// <summary>Where it stands, by name.</summary>
    string StatusName { get; }

    /// <summary>Nothing is known of the order yet.</summary>
    static abstract TSelf New(string orderId);

    /// <summary>The same, so many events later.</summary>
    TSelf After(int events);
}

/// <summary>How decisions are written down.</summary>
internal static class Decisions
{
    /// <summary>From now on it is this, and these events are told.</summary>
    public static Decision<TState> Tells<TState>(this TState state, params IReadOnlyList<object> events)
        where TState : ISagaState<TState> => new(state, events);
}
