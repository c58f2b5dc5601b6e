using System.Diagnostics;
using System.Globalization;

namespace OrderPlatform.Tests;

/// <summary>The processes of this machine, as <c>ps</c> shows them.</summary>
internal static class ProcessTree
{
    /// <summary>Every process below <paramref name="pid"/>, children and children's children.</summary>
    public static IReadOnlyList<int> DescendantsOf(int pid)
    {
        var children = All().ToLookup(process => process.Parent, process => process.Pid);
        var found = new List<int>();
        var open = new Queue<int>([pid]);
        while (open.TryDequeue(out var parent))
        {
            foreach (var child in children[parent])
            {
                found.Add(child);
                open.Enqueue(child);
            }
        }
        return found;
    }

    /// <summary>True when the process has ended; one that nobody has reaped yet (a zombie) has ended too.</summary>
    public static bool IsGone(int pid) => All().All(process => process.Pid != pid || process.State.StartsWith('Z'));

    /// <summary>Sends a signal by its name: TERM, INT, KILL, STOP.</summary>
    public static void Signal(int pid, string signal)
    {
        using var kill = Process.Start("kill", ["-s", signal, $"{pid}"]);
        kill.WaitForExit();
        kill.ExitCode.ShouldBe(0);
    }

    private static List<(int Pid, int Parent, string State)> All()
    {
        using var ps = Process.Start(new ProcessStartInfo("ps", ["-A", "-o", "pid=,ppid=,stat="]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardInput = true })!;
        return [.. ps.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(words => (int.Parse(words[0], CultureInfo.InvariantCulture), int.Parse(words[1], CultureInfo.InvariantCulture), words[2]))];
    }
}
