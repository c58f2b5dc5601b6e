namespace OrderPlatform.Api.Saga;

/// <summary>Acts by itself on what is due in its table. The time is in the database: a crash delays it, no more.</summary>
internal interface ITimed
{
    /// <summary>In the logs.</summary>
    string Name { get; }

    /// <summary>Does a part of what is due. Replicas do this beside each other.</summary>
    /// <returns>Whether there may be more at once.</returns>
    Task<bool> TickAsync(CancellationToken cancellation);
}

/// <summary>Lets a participant look for what is due, over and over.</summary>
internal sealed partial class TimerLoop(ITimed timed, TimeProvider clock, ILogger<TimerLoop> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!await timed.TickAsync(stoppingToken))
                {
                    await Task.Delay(Interval, clock, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // whatever it was: what is due is still due
                LogFailed(log, timed.Name, e.Message);
                await Task.Delay(AfterFailure, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(20, LogLevel.Warning, "{Participant} could not do what is due and tries again: {Reason}")]
    private static partial void LogFailed(ILogger logger, string participant, string reason);
}
