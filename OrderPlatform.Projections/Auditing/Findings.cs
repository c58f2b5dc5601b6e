using OrderPlatform.Contracts.Auditing;

namespace OrderPlatform.Projections.Auditing;

/// <summary>What one audit compares and finds.</summary>
internal sealed class Findings
{
    /// <summary>Violations that are kept by name; further ones are only counted.</summary>
    public const int MaxKept = 1000;

    private readonly List<Violation> _violations = [];

    /// <summary>Count, money and hash of both sides.</summary>
    public Sums Sums { get; } = new();

    /// <summary>How far the store was when it was read, by topic: the next offset of each partition.</summary>
    public Dictionary<string, long[]> Vector { get; } = [];

    /// <summary>Rows compared.</summary>
    public long Compared { get; set; }

    /// <summary>The first <see cref="MaxKept"/>.</summary>
    public IReadOnlyList<Violation> Violations => _violations;

    /// <summary>All of them.</summary>
    public long ViolationCount { get; private set; }

    /// <summary>A row is wrong.</summary>
    public void Add(string store, ViolationKind kind, string row, string expected, string found, int? sequence = null)
    {
        ViolationCount++;
        if (_violations.Count < MaxKept)
        {
            _violations.Add(new Violation(store, kind, row, sequence, expected, found));
        }
    }

    /// <summary>Forgets everything: the audit begins again.</summary>
    public void Clear()
    {
        _violations.Clear();
        Sums.Clear();
        Vector.Clear();
        (Compared, ViolationCount) = (0, 0);
    }
}

/// <summary>The store cannot be compared at the moment, and why: no violation, and no pass.</summary>
internal sealed class CannotBeAuditedException(string message) : Exception(message);
