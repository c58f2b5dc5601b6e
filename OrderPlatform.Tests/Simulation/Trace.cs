using System.Globalization;

namespace OrderPlatform.Tests.Simulation;

/// <summary>What happened in a schedule, for a person to read.</summary>
internal sealed class Trace
{
    private readonly List<string> _lines = [];

    /// <summary>Set by the world that is traced.</summary>
    public World? World { get; set; }

    public int Length => _lines.Count;

    public void Say(string who, string what) =>
        _lines.Add(string.Create(CultureInfo.InvariantCulture, $"{_lines.Count + 1,4} {(World!.Now - World.Beginning).TotalSeconds,8:F2} s  {who,-14} {what}"));

    public override string ToString() => string.Join('\n', _lines);
}
