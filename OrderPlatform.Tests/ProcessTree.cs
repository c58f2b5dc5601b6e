using System.Diagnostics;

namespace OrderPlatform.Tests;

/// <summary>Which processes are there, by <c>/proc</c>, or by <c>ps</c> where there is none. Zombies have ended.</summary>
internal static class ProcessTree
{
    /// <summary>Every process below this one.</summary>
    public static IReadOnlySet<int> Below(int root)
    {
        var children = Running().ToLookup(process => process.Parent, process => process.Id);
        var below = new HashSet<int>();
        void Add(int parent)
        {
            foreach (var child in children[parent].Where(below.Add))
            {
                Add(child);
            }
        }
        Add(root);
        return below;
    }

    /// <summary>Those of the processes that still run.</summary>
    public static IReadOnlyCollection<int> StillRunning(IReadOnlySet<int> ids) => [.. Running().Select(process => process.Id).Where(ids.Contains)];

    /// <summary>Sends a signal by its name: TERM, INT, KILL, STOP.</summary>
    public static void Signal(int id, string signal)
    {
        // the shell's own kill: there is not always a program of that name
        using var kill = Process.Start("sh", ["-c", $"kill -s {signal} {id}"]);
        kill.WaitForExit();
        kill.ExitCode.ShouldBe(0);
    }

    private static IEnumerable<(int Id, int Parent)> Running() =>
        (OperatingSystem.IsLinux() ? FromProc() : FromPs()).Where(process => process.State[0] != 'Z').Select(process => (process.Id, process.Parent));

    private static IEnumerable<(int Id, int Parent, string State)> FromProc()
    {
        foreach (var folder in Directory.GetDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            string stat;
            try
            {
                stat = File.ReadAllText(Path.Combine(folder, "stat"));
            }
            catch (IOException)
            {
                continue; // has ended since the listing
            }
            // pid (name) state parent ...; the name may hold spaces
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            yield return (int.Parse(Path.GetFileName(folder)), int.Parse(fields[1]), fields[0]);
        }
    }

    private static IEnumerable<(int Id, int Parent, string State)> FromPs()
    {
        using var ps = Process.Start(new ProcessStartInfo("ps", ["-A", "-o", "pid=,ppid=,state="]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        return [.. ps.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(fields => (int.Parse(fields[0]), int.Parse(fields[1]), fields[2]))];
    }
}
