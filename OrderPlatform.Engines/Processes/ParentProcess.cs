using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.Processes;

/// <summary>
/// Follows the <c>dotnet run</c> that started this process. It passes SIGINT and SIGTERM on, but a kill -9 of it would leave
/// this process, and so every engine, behind. Any other parent may end without us: a shell that started us with nohup does.
/// </summary>
public static partial class ParentProcess
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    /// <summary>Completes when the <c>dotnet run</c> that is the parent has ended; never when the parent is something else.</summary>
    public static async Task WhenDotNetRunEndsAsync(CancellationToken cancellation)
    {
        var parent = GetParentId();
        if (!await IsDotNetRunAsync(parent, cancellation))
        {
            await Task.Delay(Timeout.Infinite, cancellation);
        }
        while (GetParentId() == parent)
        {
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<bool> IsDotNetRunAsync(int pid, CancellationToken cancellation)
    {
        // ps, not /proc: macOS has only the former
        using var ps = Process.Start(new ProcessStartInfo("ps", ["-o", "args=", "-p", $"{pid}"]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardInput = true })!;
        var words = (await ps.StandardOutput.ReadToEndAsync(cancellation)).Split(' ', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 1 && Path.GetFileNameWithoutExtension(words[0]) == "dotnet" && words.Contains("run");
    }

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int GetParentId();
}
