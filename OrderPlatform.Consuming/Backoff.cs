namespace OrderPlatform.Consuming;

/// <summary>Pauses that double from 100 ms to half a second, each spread by half so that replicas do not come back in step.</summary>
internal sealed class Backoff
{
    private const double FirstMs = 100;

    // what a store that is back still waits for, at most: a try costs it next to nothing
    private const double LongestMs = 500;

    private double _nextMs = FirstMs;

    public TimeSpan Next()
    {
        var pause = TimeSpan.FromMilliseconds(_nextMs * (0.75 + (Random.Shared.NextDouble() / 2)));
        _nextMs = Math.Min(_nextMs * 2, LongestMs);
        return pause;
    }

    public void Reset() => _nextMs = FirstMs;
}
