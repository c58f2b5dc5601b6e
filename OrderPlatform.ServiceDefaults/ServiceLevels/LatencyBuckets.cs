namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>
/// Buckets of times, fixed for good since they are stored: bucket 0 is up to 1 ms, and each further one reaches 2^(1/4) times as
/// far. A time is reported as the geometric middle of its bucket, which is off by at most 9.1 %.
/// </summary>
public static class LatencyBuckets
{
    /// <summary>The most by which a reported time is off, as a part of the true one. Times of up to 1 ms are reported as 1 ms.</summary>
    public const double RelativeError = 0.0906;

    private const int PerDoubling = 4;

    /// <summary>2^30 ms are 12 days.</summary>
    private const short Last = 30 * PerDoubling;

    /// <summary>The bucket of a time.</summary>
    public static short Of(TimeSpan time) =>
        time.TotalMilliseconds <= 1 ? (short)0 : (short)Math.Min(Math.Ceiling(PerDoubling * Math.Log2(time.TotalMilliseconds)), Last);

    /// <summary>The p-th part of the counted times in milliseconds, by nearest rank; null of none.</summary>
    /// <param name="counts">By bucket.</param>
    /// <param name="part">0.95 for p95.</param>
    public static double? PercentileMs(IReadOnlyDictionary<short, long> counts, double part)
    {
        var rank = (long)Math.Ceiling(counts.Values.Sum() * part);
        foreach (var (bucket, count) in counts.OrderBy(bucket => bucket.Key))
        {
            rank -= count;
            if (rank <= 0)
            {
                return Math.Round(MiddleMs(bucket), 1);
            }
        }
        return null;
    }

    private static double MiddleMs(short bucket) => bucket == 0 ? 1 : Math.Pow(2, (bucket - 0.5) / PerDoubling);
}
