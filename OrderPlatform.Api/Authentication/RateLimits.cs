using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Authentication;

/// <summary>A token bucket for each key: its rate, with bursts of two seconds' worth.</summary>
public sealed class RateLimits : IDisposable
{
    private const int BurstSeconds = 2;
    private const int PeriodsPerSecond = 10;

    private readonly ConcurrentDictionary<string, TokenBucketRateLimiter> _buckets = new();

    /// <summary>Counts one request.</summary>
    /// <exception cref="ProblemException">429 with Retry-After.</exception>
    public void Take(Caller caller)
    {
        var bucket = _buckets.GetOrAdd($"{caller.Name} {caller.RequestsPerSecond}", _ => Bucket(caller.RequestsPerSecond));
        using var lease = bucket.AttemptAcquire();
        if (!lease.IsAcquired)
        {
            throw new ProblemException(StatusCodes.Status429TooManyRequests, $"This key allows {caller.RequestsPerSecond} requests a second. Wait as Retry-After says.")
            {
                RetryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : TimeSpan.FromSeconds(1),
            };
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var bucket in _buckets.Values)
        {
            bucket.Dispose();
        }
    }

    private static TokenBucketRateLimiter Bucket(int requestsPerSecond)
    {
        var tokens = Math.Max(1, requestsPerSecond / PeriodsPerSecond);
        return new(new TokenBucketRateLimiterOptions
        {
            TokenLimit = requestsPerSecond * BurstSeconds,
            TokensPerPeriod = tokens,
            ReplenishmentPeriod = TimeSpan.FromSeconds((double)tokens / requestsPerSecond),
            QueueLimit = 0,
        });
    }
}
