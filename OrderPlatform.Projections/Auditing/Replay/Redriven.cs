namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>Records that were published again out of the dead letters of one consumer: repeats for everybody else.</summary>
internal static class Redriven
{
    /// <summary>The header that names the consumer.</summary>
    public const string Header = "redriven-for";
}
