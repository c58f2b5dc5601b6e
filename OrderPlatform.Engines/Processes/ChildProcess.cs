using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.Processes;

/// <summary>What to start: a program, its arguments, and the signal that ends it in good order.</summary>
public sealed record ChildCommand(string FileName, IReadOnlyList<string> Arguments)
{
    /// <summary>Added to the environment of the host.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the child runs; null is the host's own folder.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Signal for a stop in good order: TERM, or INT for PostgreSQL's fast shutdown.</summary>
    public string StopSignal { get; init; } = "TERM";

    /// <summary>How long a stop in good order may take before the child is killed.</summary>
    public TimeSpan StopBound { get; init; } = TimeSpan.FromSeconds(4);

    // <root>/shared/Microsoft.NETCore.App/<version>/ is where this process has its runtime from
    private static readonly string DotNetHost = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));

    /// <summary>A .NET program, run by the same <c>dotnet</c> as this process.</summary>
    public static ChildCommand DotNet(string assemblyPath, params IReadOnlyList<string> arguments) =>
        new(DotNetHost, [assemblyPath, .. arguments]);
}

/// <summary>
/// A child process that cannot outlive its host, whatever ends the host.
/// </summary>
/// <remarks>
/// The child is started through <c>sh</c>, which leaves a watcher behind and then becomes the child (exec), so that
/// <see cref="Id"/> is the child's own pid. The watcher reads a pipe that only the host holds open: end of file means that
/// the host stops the child or is gone, be it by kill -9. The child gets a session of its own where <c>setsid</c> exists,
/// so that Ctrl-C reaches the host alone, which then stops its children in order.
/// </remarks>
public sealed class ChildProcess : IAsyncDisposable
{
    // $1 stop signal, $2 tenths of a second until KILL. A line on the pipe says that the child has ended by itself: do nothing.
    private const string WatchedExec =
        """
        signal=$1; tenths=$2; shift 2; exec 3<&0
        (
          trap '' INT HUP TERM
          exec >/dev/null 2>&1
          if read -r line <&3; then exit 0; fi
          kill -s "$signal" $$
          while [ "$tenths" -gt 0 ] && kill -0 $$; do sleep 0.1; tenths=$((tenths - 1)); done
          kill -s KILL $$
        ) &
        exec "$@" </dev/null 3<&-
        """;

    private static readonly bool HasSetsid = Path.Exists("/usr/bin/setsid") || Path.Exists("/bin/setsid");

    private readonly Process _process;
    private readonly Task _drained;
    private bool _letGo;

    private ChildProcess(string name, Process process, Task drained)
    {
        Name = name;
        _process = process;
        _drained = drained;
        Exited = ReleaseWatcherAtExitAsync();
    }

    /// <summary>The name in messages: the engine or the service.</summary>
    public string Name { get; }

    /// <summary>The child's own pid, the one to signal.</summary>
    public int Id => _process.Id;

    /// <summary>Ends with the child, giving its exit code (128 + signal when killed by one).</summary>
    public Task<int> Exited { get; }

    /// <summary>Starts the child. Every line it writes goes to <paramref name="log"/>, from both of its outputs.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">There is no such program.</exception>
    public static ChildProcess Start(string name, ChildCommand command, Action<string> log)
    {
        var start = new ProcessStartInfo
        {
            FileName = HasSetsid ? "setsid" : "sh",
            WorkingDirectory = command.WorkingDirectory ?? "",
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (HasSetsid)
        {
            start.ArgumentList.Add("sh");
        }
        foreach (var argument in (string[])["-c", WatchedExec, "orderplatform-" + name, command.StopSignal, $"{(int)(command.StopBound.TotalSeconds * 10)}", command.FileName, .. command.Arguments])
        {
            start.ArgumentList.Add(argument);
        }
        foreach (var (key, value) in command.Environment)
        {
            start.Environment[key] = value;
        }

        var process = Process.Start(start)!;
        var drained = Task.WhenAll(DrainAsync(process.StandardOutput, log), DrainAsync(process.StandardError, log));
        return new ChildProcess(name, process, drained);
    }

    /// <summary>Stops the child in good order, and by force when its bound has passed.</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> StopAsync()
    {
        LetGo(childHasEnded: false);
        return Exited;
    }

    /// <summary>kill -9, for tests and for a child that hangs.</summary>
    public Task<int> KillAsync()
    {
        _process.Kill();
        return Exited;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    private async Task<int> ReleaseWatcherAtExitAsync()
    {
        await _process.WaitForExitAsync();
        LetGo(childHasEnded: true);
        await _drained;
        return _process.ExitCode;
    }

    // The stop and the child's own end may come at the same moment, and a StreamWriter belongs to one thread at a time.
    private void LetGo(bool childHasEnded)
    {
        lock (_process)
        {
            if (_letGo)
            {
                return;
            }
            _letGo = true;
            try
            {
                _process.StandardInput.Write(childHasEnded ? "\n" : "");
                _process.StandardInput.Close();
            }
            catch (IOException)
            {
                // nobody reads any more: the watcher is gone too
            }
        }
    }

    private static async Task DrainAsync(StreamReader output, Action<string> log)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            log(line);
        }
    }
}
