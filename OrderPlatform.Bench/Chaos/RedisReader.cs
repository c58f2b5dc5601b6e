using OrderPlatform.Contracts.Rankings;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Chaos;

/// <summary>Reads Redis, also right after it came back: the client's own reconnecting takes seconds, which are not the platform's.</summary>
internal sealed class RedisReader(string address) : IAsyncDisposable
{
    private readonly ConfigurationOptions _options = Options(address);
    private ConnectionMultiplexer? _redis;

    /// <summary>The status entries of orders; null for one that has none.</summary>
    /// <exception cref="RedisException">Redis is away.</exception>
    public Task<IReadOnlyList<CachedStatus?>> StatusesAsync(IEnumerable<string> orders) => ReadAsync<IReadOnlyList<CachedStatus?>>(async database =>
    {
        var generation = await GenerationAsync(database);
        return [.. (await database.StringGetAsync([.. orders.Select(order => (RedisKey)RankingKeys.Order(generation, order))])).Select(entry => CachedStatus.Parse(entry))];
    });

    /// <summary>Orders that count and their money, over all time and in one currency.</summary>
    /// <exception cref="RedisException">Redis is away.</exception>
    public Task<(long Orders, decimal Money)> TotalAsync(string currency) => ReadAsync(async database =>
    {
        var key = RankingKeys.Ranking(await GenerationAsync(database), RankingKeys.Totals, RankingKeys.All);
        return ((long)await database.HashGetAsync(key + RankingKeys.Orders, currency), -(decimal)(await database.SortedSetScoreAsync(key, currency) ?? 0) / 100);
    });

    /// <inheritdoc />
    public ValueTask DisposeAsync()
    {
        _redis?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task<string> GenerationAsync(IDatabase database) => (string?)await database.HashGetAsync(RankingKeys.State, RankingKeys.Generation) ?? "";

    private async Task<T> ReadAsync<T>(Func<IDatabase, Task<T>> read)
    {
        try
        {
            _redis ??= await ConnectionMultiplexer.ConnectAsync(_options);
            return await read(_redis.GetDatabase());
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            _redis?.Dispose();
            _redis = null;
            throw;
        }
    }

    private static ConfigurationOptions Options(string address)
    {
        var options = ConfigurationOptions.Parse(address);
        options.ConnectTimeout = options.SyncTimeout = 1000;
        return options;
    }
}
