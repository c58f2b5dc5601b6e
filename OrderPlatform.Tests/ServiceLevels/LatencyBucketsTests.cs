using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Tests.ServiceLevels;

public sealed class LatencyBucketsTests
{
    [Theory]
    [InlineData(1.5, 3)]
    [InlineData(40, 0.7)]
    [InlineData(9_000, 0.2)]
    public void The_p95_of_a_known_distribution_is_right_within_the_documented_error(double medianMs, double spread)
    {
        var random = new Random(95);
        // a log-normal distribution by sums of uniform numbers
        var times = Enumerable.Range(0, 20_000).Select(_ => medianMs * Math.Exp(spread * (Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6))).Order().ToList();
        var counts = times.GroupBy(ms => LatencyBuckets.Of(TimeSpan.FromMilliseconds(ms))).ToDictionary(bucket => bucket.Key, bucket => (long)bucket.Count());
        var p95 = times[(int)Math.Ceiling(times.Count * 0.95) - 1];

        LatencyBuckets.PercentileMs(counts, 0.95)!.Value.ShouldBe(p95, p95 * LatencyBuckets.RelativeError + 0.05);
    }

    [Fact]
    public void Negative_and_endless_times_have_buckets_too()
    {
        LatencyBuckets.Of(TimeSpan.FromMilliseconds(-5)).ShouldBe((short)0);
        LatencyBuckets.Of(TimeSpan.MaxValue).ShouldBe((short)120);
    }

    [Fact]
    public void There_is_no_percentile_of_nothing() => LatencyBuckets.PercentileMs(new Dictionary<short, long>(), 0.95).ShouldBeNull();
}
