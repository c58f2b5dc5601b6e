using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.Processes;

/// <summary>Ends the host in order at Ctrl-C, SIGTERM, a closed terminal, or when the <c>dotnet run</c> that started it is gone. A second signal ends it at once.</summary>
public sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Listens from now on.</summary>
    public StopSignal()
    {
        _registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, Stop))];
        _ = FollowParentAsync();
    }

    /// <summary>Cancelled when the host is to end.</summary>
    public CancellationToken Token => _source.Token;

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
        _source.Cancel(); // ends the following of the parent too
    }

    private async Task FollowParentAsync()
    {
        try
        {
            await ParentProcess.WhenDotNetRunEndsAsync(_source.Token);
            await _source.CancelAsync();
        }
        catch (OperationCanceledException) when (_source.IsCancellationRequested)
        {
            // this process ends first
        }
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = !_source.IsCancellationRequested;
        _source.Cancel();
    }
}
