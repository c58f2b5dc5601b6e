using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Api.Rankings;

/// <summary>One row of a ranking.</summary>
/// <param name="Id">The product, customer, currency or status.</param>
/// <param name="Revenue">Of the orders that count.</param>
/// <param name="Orders">Orders that count.</param>
public sealed record RankingRow(string Id, decimal Revenue, long Orders);

/// <summary>A ranking as it stood at one moment.</summary>
/// <param name="CompleteUntil">Every event published before is in; null when a partition has not caught up yet.</param>
/// <param name="Rows">Most revenue first, ties by id.</param>
internal sealed record RankingSnapshot(DateTimeOffset? CompleteUntil, IReadOnlyList<RankingRow> Rows);

/// <summary>Reads the rankings that the rankings projection keeps in Redis.</summary>
internal sealed class RankingReader(IConnectionMultiplexer redis)
{
    // It holds the state's lock, as every write does, so that it sees a write whole or not at all.
    private const string Read =
        """
        local state = redis.call('HGETALL', KEYS[1])
        local generation, untils = nil, {}
        for i = 1, #state, 2 do
          if state[i] == 'generation' then generation = state[i + 1] end
          if string.sub(state[i], 1, 6) == 'until:' then untils[#untils + 1] = state[i + 1] end
        end
        if not generation then return {{}, {}} end

        local union, sets = {'ZUNION', #ARGV - 2}, {}
        for i = 3, #ARGV do
          sets[#sets + 1] = '{rankings}:' .. generation .. ':' .. ARGV[1] .. ':' .. ARGV[i]
          union[#union + 1] = sets[#sets]
        end
        union[#union + 1] = 'WITHSCORES'
        local limit = tonumber(ARGV[2])
        local top = #sets == 1 and redis.call('ZRANGE', sets[1], 0, limit - 1, 'WITHSCORES') or redis.call(unpack(union))

        local rows = {}
        for i = 1, math.min(#top, 2 * limit), 2 do
          local orders = 0
          for _, set in ipairs(sets) do orders = orders + tonumber(redis.call('HGET', set .. ':orders', top[i]) or 0) end
          rows[#rows + 1], rows[#rows + 2], rows[#rows + 3] = top[i], string.format('%.0f', tonumber(top[i + 1])), string.format('%.0f', orders)
        end
        return {untils, rows}
        """;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(5);

    /// <summary>The top of a ranking over several days, or over all time.</summary>
    /// <param name="kind">As in <see cref="RankingKeys.Ranking"/>.</param>
    /// <param name="windows">Days, or All alone.</param>
    /// <exception cref="RedisException">Redis is away.</exception>
    /// <exception cref="TimeoutException">Redis does not answer.</exception>
    public async Task<RankingSnapshot> TopAsync(string kind, IReadOnlyList<string> windows, int limit, CancellationToken cancellation)
    {
        var answer = (RedisResult[])(await redis.GetDatabase()
            .EvaluateAsync(Read, [RankingKeys.State], [kind, limit, .. windows.Select(window => (RedisValue)window)], Bound, cancellation))!;
        var untils = (string[])answer[0]!;
        return new RankingSnapshot(
            untils.Length == Topics.Partitions ? DateTimeOffset.FromUnixTimeMilliseconds(untils.Min(long.Parse)) : null,
            [.. ((string[])answer[1]!).Chunk(3).Select(row => new RankingRow(row[0], -long.Parse(row[1]) / 100m, long.Parse(row[2])))]);
    }
}
