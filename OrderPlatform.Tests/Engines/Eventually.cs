using System.Diagnostics;

namespace OrderPlatform.Tests.Engines;

/// <summary>Waits on a condition, with a bound.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    public static async Task TrueAsync(Func<bool> condition, TimeSpan bound, Func<string> otherwise, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(bound, otherwise());
            await Task.Delay(Poll, cancellation);
        }
    }
}
