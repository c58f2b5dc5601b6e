namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>A line for each connection that the broker dropped, but no flood: beyond a few in ten seconds they are only counted.</summary>
internal sealed class DropLog(KafkaLog log, TimeProvider clock)
{
    private const int LinesMax = 20;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private long _windowStart = clock.GetTimestamp();
    private int _inWindow;

    public void Dropped(string remote, string reason)
    {
        lock (_lock)
        {
            CountDue();
            if (++_inWindow <= LinesMax)
            {
                log.ConnectionDropped(remote, reason);
            }
        }
    }

    /// <summary>Says how many were not given a line, once their ten seconds are over.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            CountDue();
        }
    }

    private void CountDue()
    {
        var elapsed = clock.GetElapsedTime(_windowStart);
        if (elapsed < Window)
        {
            return;
        }
        if (_inWindow > LinesMax)
        {
            log.MoreConnectionsDropped(_inWindow - LinesMax, elapsed.TotalSeconds);
        }
        (_inWindow, _windowStart) = (0, clock.GetTimestamp());
    }
}
