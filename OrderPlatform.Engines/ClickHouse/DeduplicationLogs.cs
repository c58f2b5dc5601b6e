using System.Globalization;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>
/// Mends the deduplication logs of MergeTree tables after a kill.
/// </summary>
/// <remarks>
/// ClickHouse writes an insert's token to the log before the part gets its final name (MergeTreeSink::finishDelayedChunk). A kill in
/// between leaves a token without data, and the retry, which must bring the data, is taken for a repetition and dropped. So the tokens
/// whose part does not exist are taken back before the engine starts. A log's lines are <c>1|2 TAB part TAB token</c>: added, dropped.
/// </remarks>
internal static class DeduplicationLogs
{
    private const string Added = "1";
    private const string Dropped = "2";

    /// <summary>Takes back the tokens without data. The engine must not run on the folder.</summary>
    /// <param name="newest">How many of a table's last entries are looked at: as many as inserts can run at once. Older ones may lack their part for good reasons (TTL).</param>
    public static void Mend(string dataFolder, int newest)
    {
        var store = new DirectoryInfo(Path.Combine(dataFolder, "store"));
        if (!store.Exists)
        {
            return;
        }
        foreach (var logs in store.EnumerateDirectories().SelectMany(group => group.EnumerateDirectories()).SelectMany(table => table.EnumerateDirectories("deduplication_logs")))
        {
            MendTable(logs, newest);
        }
    }

    private static void MendTable(DirectoryInfo logs, int newest)
    {
        var files = logs.GetFiles("deduplication_log_*.txt").OrderBy(file => int.Parse(Path.GetFileNameWithoutExtension(file.Name).Split('_')[^1], CultureInfo.InvariantCulture)).ToList();
        var entries = files.SelectMany(file => File.ReadLines(file.FullName)).Select(line => line.Split('\t')).Where(fields => fields.Length == 3).ToList();
        var parts = logs.Parent!.EnumerateDirectories().Select(folder => Part.Parse(folder.Name)).OfType<Part>().ToLookup(part => part.Partition);
        var dropped = entries.Where(fields => fields[0] == Dropped).Select(fields => fields[2]).ToHashSet();
        var orphans = entries.Where(fields => fields[0] == Added).TakeLast(newest)
            .Where(fields => !dropped.Contains(fields[2]) && Part.Parse(fields[1]) is { } part && !parts[part.Partition].Any(p => p.Covers(part)));
        if (files.Count > 0)
        {
            File.AppendAllLines(files[^1].FullName, orphans.Select(fields => $"{Dropped}\t{fields[1]}\t{fields[2]}").ToList());
        }
    }

    // partition_min_max_level, and _mutation when there was one
    private sealed record Part(string Partition, long Min, long Max)
    {
        public bool Covers(Part other) => Min <= other.Min && Max >= other.Max;

        public static Part? Parse(string name) =>
            name.Split('_') is [var partition, var min, var max, _, ..] && long.TryParse(min, CultureInfo.InvariantCulture, out var from) && long.TryParse(max, CultureInfo.InvariantCulture, out var to)
                ? new Part(partition, from, to)
                : null;
    }
}
