using System.Globalization;
using System.Text.Json;

namespace OrderPlatform.Bench;

/// <summary>Holds fresh results against committed ones: what stands beside a floor by its ratio to it, so that another machine does not matter, and latencies as they are.</summary>
internal static class ResultComparison
{
    // how a number is recognised in a result file, and which way is worse
    private static readonly (string Name, bool MoreIsBetter)[] Compared = [("ratio", true), ("p99Ms", false)];

    /// <summary>Compares every file that both folders have.</summary>
    /// <param name="bound">By how much a number may be worse, as a part of the committed one.</param>
    /// <returns>0 when nothing is worse than that.</returns>
    /// <exception cref="BenchException">There is nothing to compare.</exception>
    public static int Run(string committedFolder, string freshFolder, double bound)
    {
        var compared = Directory.Exists(freshFolder) && Directory.Exists(committedFolder)
            ? Directory.EnumerateFiles(freshFolder, "*.json").Select(Path.GetFileName).Where(name => File.Exists(Path.Combine(committedFolder, name!))).SelectMany(name =>
                Of(name!, JsonElement.Parse(File.ReadAllText(Path.Combine(committedFolder, name!))), JsonElement.Parse(File.ReadAllText(Path.Combine(freshFolder, name!)))))
                .ToList()
            : [];
        if (compared.Count == 0)
        {
            throw new BenchException($"{freshFolder} has no result that {committedFolder} has too: run a benchmark with --results {freshFolder} first.");
        }
        foreach (var number in compared)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(number.IsWorse(bound) ? "WORSE" : "ok   ")} {number.Name}: {number.Committed:0.##} committed, {number.Fresh:0.##} now"));
        }
        return compared.Any(number => number.IsWorse(bound)) ? 1 : 0;
    }

    /// <summary>The numbers that both have, by their paths in the file.</summary>
    internal static IEnumerable<ComparedNumber> Of(string path, JsonElement committed, JsonElement fresh)
    {
        if (committed.ValueKind == JsonValueKind.Object && fresh.ValueKind == JsonValueKind.Object)
        {
            return committed.EnumerateObject().Where(property => fresh.TryGetProperty(property.Name, out _)).SelectMany(property =>
                Compared.Where(known => known.Name == property.Name && property.Value.ValueKind == JsonValueKind.Number)
                    .Select(known => new ComparedNumber($"{path}.{property.Name}", property.Value.GetDouble(), fresh.GetProperty(property.Name).GetDouble(), known.MoreIsBetter))
                    .Concat(Of($"{path}.{property.Name}", property.Value, fresh.GetProperty(property.Name))));
        }
        return committed.ValueKind == JsonValueKind.Array && fresh.ValueKind == JsonValueKind.Array
            ? committed.EnumerateArray().Zip(fresh.EnumerateArray()).SelectMany((pair, index) => Of($"{path}[{index}]", pair.First, pair.Second))
            : [];
    }
}

/// <summary>A number of two results.</summary>
/// <param name="Name">File and path in it.</param>
internal sealed record ComparedNumber(string Name, double Committed, double Fresh, bool MoreIsBetter)
{
    /// <param name="bound">By how much it may be worse, as a part of the committed one.</param>
    public bool IsWorse(double bound) => MoreIsBetter ? Fresh < Committed * (1 - bound) : Fresh > Committed * (1 + bound);
}
