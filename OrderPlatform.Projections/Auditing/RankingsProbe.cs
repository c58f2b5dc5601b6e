using System.Globalization;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Auditing;

/// <summary>What Redis says of some keys at one moment, and how far the projection was at that moment.</summary>
/// <param name="Vector">The next offset of each partition.</param>
/// <param name="Values">In the order in which they were asked for; null for what is not there.</param>
internal sealed record Probed<T>(long[] Vector, IReadOnlyList<T?> Values);

/// <summary>Reads the rankings piece by piece, each piece with the offsets that it is of, so that nothing must stand still for an audit.</summary>
internal sealed class RankingsProbe(IConnectionMultiplexer redis)
{
    /// <summary>Keys that are read at once. Redis does nothing else meanwhile: it takes a millisecond or two.</summary>
    public const int Chunk = 1000;

    // It holds the state's lock, as every write does, so that it sees a write whole or not at all.
    private const string Entries =
        """
        local entries = redis.call('MGET', unpack(ARGV))
        for i = 1, #ARGV do entries[i] = entries[i] or '' end
        return {redis.call('HGETALL', KEYS[1]), entries}
        """;

    private const string Rows =
        """
        local scores, counts, rows = redis.call('ZMSCORE', ARGV[1], unpack(ARGV, 2)), redis.call('HMGET', ARGV[1] .. ':orders', unpack(ARGV, 2)), {}
        for i = 1, #ARGV - 1 do
          rows[i] = (scores[i] and string.format('%.17g', tonumber(scores[i])) or '') .. ' ' .. (counts[i] or '')
        end
        return {redis.call('HGETALL', KEYS[1]), rows}
        """;

    // As the projection writes: a plan of absolute values first, then the writes, then the plan's end, so that a kill in between
    // leaves what anybody can finish (docs/decisions/0006). ARGV: generation, key, id, cents more, orders more, expiry or ''.
    private const string Correct =
        """
        local state, key, id = KEYS[1], ARGV[2], ARGV[3]
        if redis.call('HGET', state, 'generation') ~= ARGV[1] or (redis.call('HGET', state, 'plan') or '') ~= '' then return 'LOST' end
        local score, count = tonumber(redis.call('ZSCORE', key, id) or 0) - tonumber(ARGV[4]), tonumber(redis.call('HGET', key .. ':orders', id) or 0) + tonumber(ARGV[5])
        local plan = count > 0
          and {{'ZADD', key, string.format('%.0f', score), id}, {'HSET', key .. ':orders', id, string.format('%.0f', count)}}
          or {{'ZREM', key, id}, {'HDEL', key .. ':orders', id}}
        if ARGV[6] ~= '' then
          plan[#plan + 1], plan[#plan + 2] = {'EXPIREAT', key, ARGV[6]}, {'EXPIREAT', key .. ':orders', ARGV[6]}
        end
        plan[#plan + 1] = {'HSET', state, 'plan', ''}
        redis.call('HSET', state, 'plan', cjson.encode(plan))
        for _, command in ipairs(plan) do redis.call(unpack(command)) end
        return 'WRITTEN'
        """;

    // ARGV: generation, key, the entry that was found, the right one or ''
    private const string CorrectEntry =
        """
        if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] or (redis.call('HGET', KEYS[1], 'plan') or '') ~= '' then return 'LOST' end
        if (redis.call('GET', ARGV[2]) or '') ~= ARGV[3] then return 'LOST' end
        if ARGV[4] == '' then redis.call('DEL', ARGV[2]) else redis.call('SET', ARGV[2], ARGV[4]) end
        return 'WRITTEN'
        """;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private const int Attempts = 50;

    /// <summary>The generation that is read; another one is a <see cref="CannotBeAuditedException"/> from then on.</summary>
    public string Generation { get; private set; } = "";

    private IDatabase Database => redis.GetDatabase();

    /// <summary>Takes up the generation that is read by everybody now.</summary>
    /// <exception cref="CannotBeAuditedException">There is none.</exception>
    public async Task BeginAsync(CancellationToken cancellation) =>
        Generation = (string?)await Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation).WaitAsync(Bound, cancellation)
            ?? throw new CannotBeAuditedException("Redis is empty: the rankings projection has not begun to build it.");

    /// <summary>Entries of orders by key, as they are written.</summary>
    public Task<Probed<string>> EntriesAsync(IReadOnlyList<string> keys, CancellationToken cancellation) =>
        AskAsync(Entries, [.. keys], entry => entry.Length == 0 ? null : entry, cancellation);

    /// <summary>Rows of one ranking: the negative cents and the orders, as they are written.</summary>
    public Task<Probed<RankingRow>> RowsAsync(string key, IReadOnlyList<string> ids, CancellationToken cancellation) =>
        AskAsync(Rows, [key, .. ids], RankingRow.Parse, cancellation);

    /// <summary>Adds to a row.</summary>
    /// <returns>False when nothing was done, because a write is under way.</returns>
    public Task<bool> CorrectAsync(string key, string id, long cents, long orders, DateTimeOffset? expiry, CancellationToken cancellation) =>
        WriteAsync(Correct, [Generation, key, id, cents, orders, $"{expiry?.ToUnixTimeSeconds()}"], cancellation);

    /// <summary>Replaces an entry; null removes it.</summary>
    /// <returns>False when nothing was done, because it is another one by now.</returns>
    public Task<bool> CorrectEntryAsync(string key, string? found, string? right, CancellationToken cancellation) =>
        WriteAsync(CorrectEntry, [Generation, key, found ?? "", right ?? ""], cancellation);

    /// <summary>Every key that begins so.</summary>
    public IEnumerable<string> Keys(string prefix) =>
        redis.GetEndPoints().SelectMany(endpoint => redis.GetServer(endpoint).Keys(Database.Database, prefix + "*", Chunk)).Select(key => (string)key!);

    /// <summary>Every id of a ranking, by either of its halves.</summary>
    public IEnumerable<string> Ids(string key) =>
        Database.SortedSetScan(key, pageSize: Chunk).Select(row => (string)row.Element!)
            .Concat(Database.HashScan(key + RankingKeys.Orders, pageSize: Chunk).Select(row => (string)row.Name!));

    private async Task<Probed<T>> AskAsync<T>(string script, RedisValue[] arguments, Func<string, T?> parse, CancellationToken cancellation)
        where T : class
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var answer = (RedisResult[])(await Database.EvaluateAsync(script, [RankingKeys.State], arguments, Bound, cancellation))!;
            var state = ((string[])answer[0]!).Chunk(2).ToDictionary(field => field[0], field => field[1]);
            if (state.GetValueOrDefault(RankingKeys.Generation) != Generation)
            {
                throw new CannotBeAuditedException("Redis was emptied or built anew while it was read.");
            }
            // a plan that a crash has left is finished by the projection when it comes back
            if (string.IsNullOrEmpty(state.GetValueOrDefault(RankingKeys.Plan)))
            {
                long[] vector = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => long.Parse(state.GetValueOrDefault(RankingKeys.Offset + partition, "0")))];
                return new Probed<T>(vector, [.. ((string[])answer[1]!).Select(parse)]);
            }
            await Task.Delay(Pause, cancellation);
        }
        throw new CannotBeAuditedException("A write to Redis was broken off and is not finished: is the rankings projection running?");
    }

    private async Task<bool> WriteAsync(string script, RedisValue[] arguments, CancellationToken cancellation) =>
        (string?)await Database.EvaluateAsync(script, [RankingKeys.State], arguments, Bound, cancellation) == "WRITTEN";
}

/// <summary>A row of a ranking as it is written: a half can be missing.</summary>
internal sealed record RankingRow(double? Score, long? Orders)
{
    /// <summary>Null for a row that is not there at all.</summary>
    public static RankingRow? Parse(string text) => text.Split(' ') is [var score, var orders] && (score.Length > 0 || orders.Length > 0)
        ? new RankingRow(
            double.TryParse(score, NumberStyles.Float, CultureInfo.InvariantCulture, out var cents) ? cents : null,
            long.TryParse(orders, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count) ? count : null)
        : null;

    /// <inheritdoc />
    public override string ToString() => FormattableString.Invariant($"{(Orders is { } orders ? $"{orders}" : "no number of")} orders of {(Score is { } score ? $"{-score / 100:F2}" : "no amount")}");
}
