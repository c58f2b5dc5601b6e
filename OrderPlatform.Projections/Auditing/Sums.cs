using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Rankings;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Adds up both sides of a comparison by currency, day and status. It takes as many entries as there are days with orders.</summary>
internal sealed class Sums
{
    private const int MaxDifferentDays = 100;

    private readonly Dictionary<(string Currency, DateOnly Day, string Status), (Sum Expected, Sum Found)> _groups = [];

    /// <summary>Adds a row that the source has.</summary>
    public void Expect(string currency, DateOnly day, string status, long cents, ulong hash) => Add(currency, day, status, new Sum(1, cents, hash), default);

    /// <summary>Adds a row that the store has.</summary>
    public void Find(string currency, DateOnly day, string status, long cents, ulong hash) => Add(currency, day, status, default, new Sum(1, cents, hash));

    /// <summary>Forgets everything.</summary>
    public void Clear() => _groups.Clear();

    /// <summary>The sums as they are kept and shown.</summary>
    public AuditSums Answer()
    {
        var days = _groups.GroupBy(group => (group.Key.Currency, group.Key.Day), group => group.Value).ToList();
        return new AuditSums(
            [.. _groups.GroupBy(group => (group.Key.Currency, group.Key.Status), group => group.Value).OrderBy(group => group.Key)
                .Select(group => new AuditGroup(group.Key.Currency, group.Key.Status, Total(group, side => side.Expected), Total(group, side => side.Found)))],
            days.Count,
            [.. days.Select(day => new AuditDay(RankingKeys.Day(day.Key.Day), day.Key.Currency, Total(day, side => side.Expected), Total(day, side => side.Found)))
                .Where(day => day.Expected != day.Found).OrderBy(day => day.Day).ThenBy(day => day.Currency).Take(MaxDifferentDays)]);
    }

    private void Add(string currency, DateOnly day, string status, Sum expected, Sum found)
    {
        var before = _groups.GetValueOrDefault((currency, day, status));
        _groups[(currency, day, status)] = (before.Expected + expected, before.Found + found);
    }

    private static AuditSum Total(IEnumerable<(Sum Expected, Sum Found)> groups, Func<(Sum Expected, Sum Found), Sum> side)
    {
        var total = groups.Select(side).Aggregate((one, other) => one + other);
        return new AuditSum(total.Rows, total.Cents / 100m, $"{total.Hash:x16}");
    }

    private readonly record struct Sum(long Rows, long Cents, ulong Hash)
    {
        public static Sum operator +(Sum one, Sum other) => new(one.Rows + other.Rows, one.Cents + other.Cents, unchecked(one.Hash + other.Hash));
    }
}
