namespace OrderPlatform.Engines.Faults;

/// <summary>What is wrong with the network before an engine.</summary>
/// <param name="DelayMs">Milliseconds that every piece waits on its way, in both directions.</param>
/// <param name="LostAnswers">The part of the engine's pieces, from 0 to 1, that is lost, and the connection with it: the request was carried out, and nobody knows.</param>
/// <param name="Stalled">Nothing arrives and nothing ends; what was sent meanwhile arrives afterwards.</param>
public sealed record NetworkFault(int DelayMs = 0, double LostAnswers = 0, bool Stalled = false)
{
    /// <summary>Nothing is wrong.</summary>
    public static NetworkFault None { get; } = new();
}
