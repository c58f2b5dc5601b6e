using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.Engines;

/// <summary>The Engines command line, run as a process of its own: a host that can be killed.</summary>
internal sealed partial class EnginesCommand : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();

    public EnginesCommand(IReadOnlyDictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        var command = ChildCommand.DotNet(typeof(IEngine).Assembly.Location, arguments);
        var start = new ProcessStartInfo(command.FileName, command.Arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _lines.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _lines.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Everything it has written.</summary>
    public string Output => string.Join(Environment.NewLine, _lines);

    /// <summary>All processes below it, at this moment.</summary>
    public IReadOnlySet<int> Descendants() => ProcessTree.Below(_process.Id);

    /// <summary>Waits until the engine answers, and gives its port.</summary>
    public async Task<int> PortAsync(CancellationToken cancellation)
    {
        await Eventually.TrueAsync(() => _process.HasExited || ReadyLine().IsMatch(Output), Bound, () => Output, cancellation);
        return int.Parse(ReadyLine().Match(Output).Groups["port"].Value);
    }

    /// <summary>Sends TERM, INT or KILL.</summary>
    public void Signal(string signal) => ProcessTree.Signal(_process.Id, signal);

    public async Task<int> ExitCodeAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation).WaitAsync(Bound, cancellation);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    [GeneratedRegex(@"is ready on 127\.0\.0\.1:(?<port>\d+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ReadyLine();
}
