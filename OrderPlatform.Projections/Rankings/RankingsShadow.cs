using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Rankings;

/// <summary>The rankings in a second generation. One HSET of the live state names it, with its offsets, and that is the swap.</summary>
internal sealed class RankingsShadow : IShadow
{
    // larger rankings are compared by their size alone: a script runs alone
    private const int ComparedIds = 50_000;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private readonly IConnectionMultiplexer _redis;
    private readonly TimeProvider _clock;
    private readonly RankingStore _store;
    private readonly RankingsBuilder _builder;
    private readonly string _rebuild;

    public RankingsShadow(IConnectionMultiplexer redis, TimeProvider clock, ILogger<RankingsProjection> log, Guid rebuild, long epoch)
    {
        (_redis, _clock, _store) = (redis, clock, new RankingStore(redis));
        _rebuild = rebuild.ToString("N");
        _builder = new RankingsBuilder(redis, clock, log, epoch);
    }

    public ISink Sink => _builder;

    private RedisKey State => RankingsBuilder.StateOf(_builder.Generation);

    private IDatabase Database => _redis.GetDatabase();

    public async Task CreateAsync(CancellationToken cancellation)
    {
        if (await GenerationAsync(cancellation) is { } generation && await Database.KeyExistsAsync(RankingsBuilder.StateOf(generation)).WaitAsync(Bound, cancellation))
        {
            _builder.Generation = generation;
            return;
        }
        // rankings without their progress are no beginning
        _builder.Generation = Guid.NewGuid().ToString("N")[..8];
        await Database.StringSetAsync(RankingKeys.Shadow, $"{_builder.Generation} {_rebuild}").WaitAsync(Bound, cancellation);
    }

    public Task FlushAsync(CancellationToken cancellation) => _builder.FlushAsync(cancellation);

    public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation) => _builder.SkipToAsync(offsets, cancellation);

    public Task CompleteAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task<StoreSummary> SummarizeLiveAsync(CancellationToken cancellation) => SummarizeAsync(RankingKeys.State, cancellation);

    public Task<StoreSummary> SummarizeAsync(CancellationToken cancellation) => SummarizeAsync(State, cancellation);

    public async Task<bool> IsSwappedAsync(CancellationToken cancellation) =>
        await GenerationAsync(cancellation) is { } generation && (string?)await Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation).WaitAsync(Bound, cancellation) == generation;

    public async Task<bool> TrySwapAsync(Func<IReadOnlyDictionary<int, long>, Task> advanceAsync, CancellationToken cancellation)
    {
        // goes away by itself, should we die here
        await Database.StringSetAsync(RankingKeys.Hold, _builder.Generation, Rebuild.LongestHold).WaitAsync(Bound, cancellation);
        var (_, live) = await _store.ResumeAsync(cancellation);
        await advanceAsync(live);
        var answer = (string?)await Database.EvaluateAsync(ShadowScripts.Swap, [RankingKeys.State, State, RankingKeys.Hold], [_builder.Generation], Bound, cancellation);
        await Database.KeyDeleteAsync(RankingKeys.Hold).WaitAsync(Bound, cancellation);
        return answer switch
        {
            ShadowScripts.Behind => false,
            ShadowScripts.Lost => throw new ProgressLostException("The rankings' shadow is gone: Redis was emptied."),
            _ => true,
        };
    }

    public async Task DropAsync(CancellationToken cancellation)
    {
        // the state first: what is without one is no shadow any more; the name last, since a swap is known by it
        if (await GenerationAsync(cancellation) is { } generation)
        {
            await Database.KeyDeleteAsync([RankingsBuilder.StateOf(generation), RankingsBuilder.PlanOf(generation)]).WaitAsync(Bound, cancellation);
        }
        if (await Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation).WaitAsync(Bound, cancellation) is { IsNull: false } live)
        {
            await _store.RemoveOthersAsync(live!, shadow: null, cancellation);
        }
        await Database.KeyDeleteAsync(RankingKeys.Shadow).WaitAsync(Bound, cancellation);
    }

    // the generation that this rebuild makes, or has made
    private async Task<string?> GenerationAsync(CancellationToken cancellation) =>
        ((string?)await Database.StringGetAsync(RankingKeys.Shadow).WaitAsync(Bound, cancellation))?.Split(' ') is [var generation, var rebuild] && rebuild == _rebuild ? generation : null;

    private async Task<StoreSummary> SummarizeAsync(RedisKey state, CancellationToken cancellation)
    {
        var today = DateOnly.FromDateTime(_clock.GetUtcNow().UtcDateTime);
        RedisValue[] arguments = [ComparedIds, RankingKeys.All, .. Enumerable.Range(0, RankingKeys.MonthDays).Select(back => (RedisValue)RankingKeys.Day(today.AddDays(-back)))];
        while (true)
        {
            var answer = (RedisResult[])(await Database.EvaluateAsync(ShadowScripts.Summarize, [state], arguments, Bound, cancellation))!;
            if (answer.Length > 0)
            {
                var offsets = ((string[])answer[0]!).Chunk(2).Select(offset => (Partition: int.Parse(offset[0]), Next: long.Parse(offset[1])));
                return new StoreSummary(
                    offsets.Where(offset => offset.Partition >= 0).ToDictionary(offset => offset.Partition, offset => offset.Next),
                    long.Parse((string)answer[1]!), -long.Parse((string)answer[2]!) / 100m,
                    Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes((string)answer[3]!)))[..32]);
            }
            await Task.Delay(Poll, cancellation); // a write that was cut off is finished by the next consumer
        }
    }
}
