namespace OrderPlatform.Bench.Load;

/// <summary>Percentiles of latencies in milliseconds, by the nearest rank.</summary>
public sealed record Percentiles(int Count, double P50Ms, double P95Ms, double P99Ms, double MaxMs)
{
    /// <summary>Of measured values; all zero when there are none.</summary>
    public static Percentiles Of(IEnumerable<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToArray();
        double Rank(double share) => sorted.Length == 0 ? 0 : Math.Round(sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(share * sorted.Length) - 1)], 1);
        return new Percentiles(sorted.Length, Rank(0.50), Rank(0.95), Rank(0.99), sorted.Length == 0 ? 0 : Math.Round(sorted[^1], 1));
    }

    /// <summary>The middle value; of an even number the upper one of the middle two.</summary>
    public static double Median(IEnumerable<double> values) => values.Order().ToArray() is { Length: > 0 } sorted ? sorted[sorted.Length / 2] : 0;
}
