using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using StackExchange.Redis;

namespace OrderPlatform.Api.Rankings;

/// <summary>The endpoints of what Redis keeps.</summary>
internal static class RankingsApi
{
    private const int Attempts = 4;
    private static readonly TimeSpan Reconnecting = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(2);

    public static void MapRankings(this WebApplication app)
    {
        var analytics = app.MapGroup("/analytics").WithTags("Analytics").RequireScope(Scopes.AnalyticsRead);
        analytics.MapGet("/rankings/{kind}", GetRanking.HandleAsync).WithName("GetRanking").WithSummary("Read the top products or customers by revenue").Produces<RankingAnswer>();
        analytics.MapGet("/live", GetLiveCounters.HandleAsync).WithName("GetLiveCounters").WithSummary("Read today's orders and revenue, and orders by status").Produces<LiveCounters>();
    }

    /// <summary>Reads a ranking for a caller.</summary>
    /// <exception cref="ProblemException">503: Redis is away.</exception>
    public static async Task<RankingSnapshot> AskAsync(this RankingReader rankings, string kind, IReadOnlyList<string> windows, int limit, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await rankings.TopAsync(kind, windows, limit, cancellation);
            }
            catch (RedisConnectionException) when (attempt < Attempts)
            {
                // after a restart of Redis the client notices at the first command that its connection is gone: reading again is harmless
                await Task.Delay(Reconnecting, cancellation);
            }
            catch (Exception e) when (e is RedisException or TimeoutException)
            {
                throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "The rankings cannot be read at the moment. Try again in a few seconds.") { RetryAfter = Retry };
            }
        }
    }
}
