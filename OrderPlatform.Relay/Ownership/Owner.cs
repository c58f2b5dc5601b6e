using System.Diagnostics;
using Npgsql;

namespace OrderPlatform.Relay.Ownership;

/// <summary>
/// Work that one process does at a time: takes the lease, then works for as long as it holds it. Whatever fails, it starts again;
/// the work finds its own checkpoint.
/// </summary>
/// <param name="name">The lease's.</param>
/// <param name="timeout">A holder that was silent for this long has lost it.</param>
internal sealed class Owner(NpgsqlDataSource source, string name, TimeSpan timeout, RelayState state, ILogger log)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1); // what a store that is back still waits for: a try costs it next to nothing

    private long _epoch; // of the last ownership here

    /// <summary>Runs until it is stopped.</summary>
    /// <param name="work">Gets the connection that a successor ends, and the lease that everything is written under.</param>
    public async Task RunAsync(Func<NpgsqlConnection, Lease, CancellationToken, Task> work, CancellationToken stopping)
    {
        var retry = FirstRetry;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await OwnAsync(work, stopping))
                {
                    retry = FirstRetry;
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException) // whatever it was: another owner's work in this process goes on
            {
                state.NotPublishing(e.Message);
                RelayLog.Restarting(log, name, e.Message, retry.TotalSeconds);
                retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
            }
            await Task.Delay(retry, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>False when somebody else holds the lease.</returns>
    private async Task<bool> OwnAsync(Func<NpgsqlConnection, Lease, CancellationToken, Task> work, CancellationToken stopping)
    {
        await using var connection = await source.OpenConnectionAsync(stopping);
        if (await Lease.TryTakeAsync(connection, name, timeout, _epoch, stopping) is not { } lease)
        {
            state.Waiting();
            return false;
        }
        _epoch = lease.Epoch;
        try
        {
            // either ends the ownership: a relay that cannot say that it is alive must not publish
            await Together.RunAsync(stopping, cancellation => BeatAsync(lease, cancellation), cancellation => work(connection, lease, cancellation));
            return true;
        }
        finally
        {
            await ReleaseAsync(lease);
        }
    }

    private async Task BeatAsync(Lease lease, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(timeout / 6);
        var last = Stopwatch.GetTimestamp();
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            // a process that was stopped finds out here that its time is over, before it asks
            if (Stopwatch.GetElapsedTime(last) > timeout)
            {
                throw new LeaseLostException();
            }
            await lease.BeatAsync(source, cancellation);
            last = Stopwatch.GetTimestamp();
        }
    }

    private async Task ReleaseAsync(Lease lease)
    {
        try
        {
            using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await lease.ReleaseAsync(source, bound.Token);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // it runs out by itself
        }
    }
}
