using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace OrderPlatform.Engines.Processes;

/// <summary>
/// A file that says which process works on a folder. A host that was killed leaves its engines a moment to end; a new host
/// must not start others on the same data meanwhile.
/// </summary>
/// <param name="path">Where it is.</param>
public sealed class ProcessFile(string path)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    // a pid is given again one day: the time of the start tells two processes apart, though two readers of it differ by a little
    private static readonly TimeSpan SameStart = TimeSpan.FromSeconds(2);

    /// <summary>Says that <paramref name="pid"/> works there now.</summary>
    public void Write(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $"{pid} {process.StartTime.ToUniversalTime().Ticks}"));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // it has ended already: nobody works there
        }
    }

    /// <summary>Waits until the process that the file names has ended.</summary>
    /// <returns>Its pid when it still runs at the end of the bound, else null.</returns>
    public async Task<int?> UntilGoneAsync(TimeSpan bound, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (Running() is { } pid)
        {
            if (Stopwatch.GetElapsedTime(since) > bound)
            {
                return pid;
            }
            await Task.Delay(Poll, cancellation);
        }
        return null;
    }

    private int? Running()
    {
        try
        {
            if (!File.Exists(path) || File.ReadAllText(path).Split(' ') is not [var pidText, var ticksText]
                || !int.TryParse(pidText, out var pid) || !long.TryParse(ticksText, out var ticks))
            {
                return null;
            }
            using var process = Process.GetProcessById(pid);
            var difference = process.StartTime.ToUniversalTime() - new DateTime(ticks, DateTimeKind.Utc);
            return difference.Duration() < SameStart && !process.HasExited ? pid : null;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return null; // there is no such process
        }
    }
}
