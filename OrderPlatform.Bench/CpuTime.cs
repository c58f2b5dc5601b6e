using System.Globalization;

namespace OrderPlatform.Bench;

/// <summary>CPU that processes have used, read from /proc: it tells more than a rate on a machine that does other things too.</summary>
internal static class CpuTime
{
    private const double MicrosecondsPerTick = 10_000; // USER_HZ is 100 wherever .NET runs

    // fields of /proc/pid/stat behind the name, from 0: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    private const int Parent = 1;
    private const int UserTime = 11;
    private const int ChildrensSystemTime = 14;

    /// <summary>Microseconds of a process, its children, and those that have ended; 0 where the system does not say.</summary>
    public static double OfTree(int processId)
    {
        var sum = 0.0;
        foreach (var fields in Directory.Exists("/proc/self") ? Directory.EnumerateDirectories("/proc").Select(Read) : [])
        {
            if (fields is not null && (fields[0] == Text(processId) || fields[1 + Parent] == Text(processId)))
            {
                // children that have ended are their parent's
                sum += fields[(1 + UserTime)..(2 + ChildrensSystemTime)].Sum(ticks => double.Parse(ticks, CultureInfo.InvariantCulture)) * MicrosecondsPerTick;
            }
        }
        return sum;
    }

    private static string Text(int processId) => processId.ToString(CultureInfo.InvariantCulture);

    // the id, then what stands behind the name; null for what is no process, or is one no more
    private static string[]? Read(string folder)
    {
        try
        {
            return int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out _) && File.ReadAllText(Path.Combine(folder, "stat")) is var stat
                ? [Path.GetFileName(folder), .. stat[(stat.LastIndexOf(')') + 2)..].Split(' ')]
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
