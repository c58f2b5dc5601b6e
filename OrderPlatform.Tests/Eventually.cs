using System.Diagnostics;

namespace OrderPlatform.Tests;

/// <summary>Waiting on a condition, with a bound.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Returns once the condition is true; fails the test when it is not within the bound.</summary>
    public static async Task TrueAsync(Func<bool> condition, TimeSpan bound, string what, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(bound, what);
            await Task.Delay(Poll, cancellation);
        }
    }
}
