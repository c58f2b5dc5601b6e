namespace OrderPlatform.Projections.Auditing;

/// <summary>How a row is wrong.</summary>
internal enum ViolationKind
{
    /// <summary>The store lacks it.</summary>
    Missing,

    /// <summary>The source knows nothing of it.</summary>
    Surplus,

    /// <summary>It is there more than once.</summary>
    Doubled,

    /// <summary>It says something else than the source.</summary>
    Altered,

    /// <summary>It stands behind what must follow it.</summary>
    Reordered,

    /// <summary>It did not go on within its bound.</summary>
    Stuck,
}

/// <summary>One row that is not as the source says.</summary>
/// <param name="Store">Where it is.</param>
/// <param name="Row">Its id there.</param>
/// <param name="Sequence">How far the order's events must be in the row; null where that means nothing.</param>
/// <param name="Expected">What the source says, for a person.</param>
/// <param name="Found">What the store says, for a person.</param>
internal sealed record Violation(string Store, ViolationKind Kind, string Row, int? Sequence, string Expected, string Found);
