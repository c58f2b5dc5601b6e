using System.Text.Json;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Rankings;

/// <summary>The rankings in Redis: read and written as <see cref="RankingKeys"/> says.</summary>
/// <remarks>Every call is bounded: the client leaves calls open for ever when its server is killed.</remarks>
internal sealed class RankingStore(IConnectionMultiplexer redis)
{
    private const int CleaningChunk = 500;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private IDatabase Database => redis.GetDatabase();

    /// <summary>Finishes what a crash has cut off and gives the generation and its offsets by partition. An empty store begins a new generation.</summary>
    public async Task<(string Generation, IReadOnlyDictionary<int, long> Offsets)> ResumeAsync(CancellationToken cancellation)
    {
        var plan = (string?)await Database.HashGetAsync(RankingKeys.State, RankingKeys.Plan).WaitAsync(Bound, cancellation);
        RedisKey[] keys = [RankingKeys.State, .. string.IsNullOrEmpty(plan) ? [] : KeysOf(plan)];
        var answer = await Database.EvaluateAsync(RankingScripts.Resume, keys, [Guid.NewGuid().ToString("N")[..8]], Bound, cancellation);
        var state = ((string[])answer!).Chunk(2).ToDictionary(field => field[0], field => field[1]);
        return (
            state[RankingKeys.Generation],
            state.Where(field => field.Key.StartsWith(RankingKeys.Offset, StringComparison.Ordinal)).ToDictionary(field => int.Parse(field.Key[RankingKeys.Offset.Length..]), field => long.Parse(field.Value)));
    }

    /// <summary>The last sequence of each order that this generation has booked.</summary>
    /// <exception cref="ProgressLostException">The store is of another generation.</exception>
    public async Task<Dictionary<string, int>> SequencesAsync(string generation, IReadOnlyList<string> orderIds, CancellationToken cancellation)
    {
        var current = Database.HashGetAsync(RankingKeys.State, RankingKeys.Generation);
        var entries = Database.StringGetAsync([.. orderIds.Select(id => (RedisKey)RankingKeys.Order(generation, id))]);
        if (await current.WaitAsync(Bound, cancellation) != generation)
        {
            throw Lost();
        }
        return orderIds.Zip(await entries.WaitAsync(Bound, cancellation), (id, entry) => (Id: id, Entry: CachedStatus.Parse(entry)))
            .Where(order => order.Entry is not null)
            .ToDictionary(order => order.Id, order => order.Entry!.Sequence);
    }

    /// <summary>Writes a batch, or finds that it is in already.</summary>
    /// <exception cref="ProgressLostException">The store is not where the batch goes on.</exception>
    public async Task WriteAsync(Batch batch, CancellationToken cancellation)
    {
        RedisKey[] keys =
        [
            RankingKeys.State,
            .. batch.Rankings.SelectMany(ranking => new RedisKey[] { ranking.Key, ranking.Key + RankingKeys.Orders }),
            .. batch.Orders.Keys.Select(key => (RedisKey)key),
        ];
        await RunAsync(RankingScripts.Write, keys, [JsonSerializer.Serialize(batch, PlatformJson.Options)], cancellation);
    }

    /// <summary>Keeps the time up to which partitions are complete.</summary>
    /// <exception cref="ProgressLostException">The store is not at these offsets.</exception>
    public Task CaughtUpAsync(string generation, IEnumerable<(int Partition, long Offset)> partitions, DateTimeOffset until, CancellationToken cancellation) => RunAsync(
        RankingScripts.CaughtUp,
        [RankingKeys.State],
        [generation, until.ToUnixTimeMilliseconds(), .. partitions.SelectMany(partition => new RedisValue[] { partition.Partition, partition.Offset })],
        cancellation);

    /// <summary>Sets the offsets back, where they are further.</summary>
    public async Task ResetAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation)
    {
        RedisValue[] arguments = [.. offsets.SelectMany(partition => new RedisValue[] { partition.Key, partition.Value })];
        while ((string?)await Database.EvaluateAsync(RankingScripts.Reset, [RankingKeys.State], arguments, Bound, cancellation) == RankingScripts.Unfinished)
        {
            await Task.Delay(Poll, cancellation); // a write that was cut off is finished by the next consumer
        }
    }

    /// <summary>Tells whoever listens. Nobody may rely on it.</summary>
    public void Announce(IEnumerable<string> messages)
    {
        foreach (var message in messages)
        {
            Database.Publish(new RedisChannel(RankingKeys.StatusChannel, RedisChannel.PatternMode.Literal), message, CommandFlags.FireAndForget);
        }
    }

    /// <summary>Removes everything of every other generation, in chunks, so that nobody waits for long.</summary>
    /// <param name="shadow">The generation that a rebuild is making, which stays; null for none.</param>
    public async Task RemoveOthersAsync(string generation, string? shadow, CancellationToken cancellation)
    {
        string[] kept = [RankingKeys.State, RankingKeys.Shadow, RankingKeys.Hold, RankingKeys.Of(generation), .. shadow is null ? [] : (string[])[RankingKeys.Of(shadow)]];
        foreach (var endpoint in redis.GetEndPoints())
        {
            var old = redis.GetServer(endpoint).Keys(Database.Database, RankingKeys.Prefix + "*", CleaningChunk)
                .Where(key => !kept.Any(prefix => ((string)key!).StartsWith(prefix, StringComparison.Ordinal)));
            foreach (var chunk in old.Chunk(CleaningChunk))
            {
                await Database.KeyDeleteAsync(chunk).WaitAsync(Bound, cancellation);
            }
        }
    }

    /// <summary>The generation that a rebuild is making; null when there is none.</summary>
    public async Task<string?> ShadowAsync(CancellationToken cancellation) =>
        ((string?)await Database.StringGetAsync(RankingKeys.Shadow).WaitAsync(Bound, cancellation))?.Split(' ')[0];

    private async Task RunAsync(string script, RedisKey[] keys, RedisValue[] arguments, CancellationToken cancellation)
    {
        while (true)
        {
            switch ((string?)await Database.EvaluateAsync(script, keys, arguments, Bound, cancellation))
            {
                case RankingScripts.Lost: throw Lost();
                case RankingScripts.Held: await Task.Delay(Poll, cancellation); break;
                default: return;
            }
        }
    }

    private static IEnumerable<RedisKey> KeysOf(string plan) =>
        JsonSerializer.Deserialize<JsonElement[][]>(plan)!.Select(command => (RedisKey)command[1].GetString()).Distinct();

    private static ProgressLostException Lost() => new("Redis was emptied, or another consumer has gone on with its partitions.");

    /// <summary>What the script <see cref="RankingScripts.Write"/> is given.</summary>
    /// <param name="Generation">The generation that it is for.</param>
    /// <param name="Offsets">By partition.</param>
    /// <param name="Rankings">Changes.</param>
    /// <param name="Orders">New entries of orders by key.</param>
    internal sealed record Batch(string Generation, IReadOnlyDictionary<int, Move> Offsets, IReadOnlyList<Ranking> Rankings, IReadOnlyDictionary<string, string> Orders);

    /// <summary>Where a partition must stand, and where it will; as strings, because Redis has them so.</summary>
    internal sealed record Move(string From, string To);

    /// <summary>Changes of one ranking; three lists of the same length. It expires at that Unix second, if at all; a string, because Lua may write a number as a fraction.</summary>
    internal sealed record Ranking(string Key, IReadOnlyList<string> Ids, IReadOnlyList<long> Cents, IReadOnlyList<int> Orders, string? ExpiresAt);
}
