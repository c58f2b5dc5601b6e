using System.Diagnostics;

namespace OrderPlatform.Tests;

/// <summary>Waits on a condition, with a bound.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Returns once the condition is true; fails the test, saying <paramref name="otherwise"/>, when it is not within the bound.</summary>
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
