using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Rankings;

/// <summary>
/// Writes a generation that nobody reads yet, in large batches: the sums of a batch become commands with absolute values, which are
/// kept as a plan and then sent in one pipeline. A plan that is still there is sent once more before anything else, as decision 6 has it.
/// </summary>
internal sealed class RankingsBuilder(IConnectionMultiplexer redis, TimeProvider clock, ILogger log, string generation, long epoch) : ISink
{
    // ids in one command: it runs alone, and is one entry of Garnet's log
    private const int CommandIds = 1000;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly Dictionary<TopicPartition, long> _progress = [];

    public string Name => RebuildableProjections.Rankings;

    public string? Store => "redis";

    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    public int MaxBatch => 25_000;

    public TimeSpan Linger => TimeSpan.FromMilliseconds(2);

    /// <summary>The shadow's state.</summary>
    public static string StateOf(string generation) => RankingKeys.Of(generation) + "state";

    private RedisKey State => StateOf(generation);

    private RedisKey Plan => RankingKeys.Of(generation) + "plan";

    private IDatabase Database => redis.GetDatabase();

    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        var state = await TakeAsync(cancellation);
        if (state.GetValueOrDefault(RankingKeys.Plan) is { Length: > 0 } plan)
        {
            var pending = JsonSerializer.Deserialize<PendingPlan>(plan)!;
            var fields = Enumerable.Range(0, pending.Commands).Select(number => (RedisValue)number).ToArray();
            var commands = await Database.HashGetAsync(Plan, fields).WaitAsync(Bound, cancellation);
            await FinishAsync([.. commands.Select(command => JsonSerializer.Deserialize<string[]>((string)command!)!)], pending.Offsets, cancellation);
            state = await TakeAsync(cancellation);
        }
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = long.Parse(state.GetValueOrDefault(RankingKeys.Offset + partition.Partition.Value, "0"));
        }
        return _progress;
    }

    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var changes = new RankingChanges(DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));
        var entries = await BookAsync(batch, changes, cancellation);
        List<string[]> commands = [.. await RankingCommandsAsync(changes, cancellation), .. EntryCommands(entries)];
        var offsets = new Dictionary<TopicPartition, long>();
        foreach (var record in batch)
        {
            offsets[record.Source.TopicPartition] = record.Source.Offset.Value + 1;
        }
        var to = offsets.ToDictionary(partition => RankingKeys.Offset + partition.Key.Partition.Value, partition => $"{partition.Value}");
        var planned = commands.Select((command, number) => new HashEntry(number, JsonSerializer.SerializeToUtf8Bytes(command))).ToArray();
        await Task.WhenAll(planned.Chunk(8).Select(chunk => Database.HashSetAsync(Plan, chunk))).WaitAsync(Bound, cancellation);
        await MarkAsync([RankingKeys.Plan, JsonSerializer.Serialize(new PendingPlan(commands.Count, to))], cancellation);
        await FinishAsync(commands, to, cancellation);
        foreach (var (partition, next) in offsets)
        {
            _progress[partition] = next;
        }
    }

    /// <summary>Moves the progress forward without a batch.</summary>
    public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation) => MarkAsync(
        [.. offsets.Where(partition => _progress.Any(known => known.Key.Partition.Value == partition.Key && known.Value < partition.Value)).SelectMany(partition => new[] { RankingKeys.Offset + partition.Key, $"{partition.Value}" }), RankingKeys.Plan, ""],
        cancellation);

    private async Task<Dictionary<string, string>> TakeAsync(CancellationToken cancellation)
    {
        var answer = await Database.EvaluateAsync(ShadowScripts.Take, [State], [generation, epoch], Bound, cancellation);
        var state = ((string[])answer!).Chunk(2).ToDictionary(field => field[0], field => field[1]);
        return state.Count > 0 ? state : throw Lost();
    }

    // absolute values: sent again, they change nothing
    private async Task FinishAsync(IReadOnlyList<string[]> commands, Dictionary<string, string> offsets, CancellationToken cancellation)
    {
        var answers = await Task.WhenAll(commands.Select(command => Database.EvaluateAsync(
            ShadowScripts.Run, [State, .. KeysOf(command)], [epoch, .. command.Select(argument => (RedisValue)argument)], Bound, cancellation)));
        if (answers.Any(answer => (string?)answer == ShadowScripts.Lost))
        {
            throw Lost();
        }
        await MarkAsync([RankingKeys.Plan, "", .. offsets.SelectMany(offset => new[] { offset.Key, offset.Value })], cancellation);
    }

    private async Task MarkAsync(string[] fields, CancellationToken cancellation)
    {
        var answer = await Database.EvaluateAsync(ShadowScripts.Mark, [State], [epoch, .. fields.Select(field => (RedisValue)field)], Bound, cancellation);
        if ((string?)answer == ShadowScripts.Lost)
        {
            throw Lost();
        }
    }

    private async Task<Dictionary<string, CachedStatus>> BookAsync(IReadOnlyList<Record> batch, RankingChanges changes, CancellationToken cancellation)
    {
        var sequences = await SequencesAsync([.. batch.Select(record => record.Key).Distinct()], cancellation);
        var entries = new Dictionary<string, CachedStatus>();
        foreach (var record in batch)
        {
            var last = sequences.GetValueOrDefault(record.Key);
            if (record.Sequence <= last)
            {
                continue;
            }
            if (record.Sequence > last + 1)
            {
                ProjectionLog.Gap(log, Name, record.Key, last, record.Sequence);
            }
            sequences[record.Key] = record.Sequence;
            var happened = record.Read<OrderEvent>();
            changes.Add(happened);
            entries[record.Key] = new CachedStatus(record.Sequence, happened.NewStatus);
        }
        return entries;
    }

    private async Task<Dictionary<string, int>> SequencesAsync(string[] orderIds, CancellationToken cancellation)
    {
        var chunks = orderIds.Chunk(CommandIds).ToList();
        var found = await Task.WhenAll(chunks.Select(ids => Database.StringGetAsync([.. ids.Select(id => (RedisKey)RankingKeys.Order(generation, id))]))).WaitAsync(Bound, cancellation);
        var sequences = new Dictionary<string, int>(orderIds.Length);
        foreach (var (ids, entries) in chunks.Zip(found))
        {
            for (var i = 0; i < ids.Length; i++)
            {
                if (!entries[i].IsNull)
                {
                    sequences[ids[i]] = CachedStatus.Parse(entries[i])!.Sequence;
                }
            }
        }
        return sequences;
    }

    private async Task<IEnumerable<string[]>> RankingCommandsAsync(RankingChanges changes, CancellationToken cancellation)
    {
        var slices =
            from ranking in changes.Rankings
            let key = RankingKeys.Ranking(generation, ranking.Key.Kind, ranking.Key.Window)
            from slice in ranking.Value.Chunk(CommandIds / 2)
            select CommandsAsync(key, slice, RankingChanges.ExpiryOf(ranking.Key.Window), cancellation);
        return (await Task.WhenAll(slices)).SelectMany(commands => commands);
    }

    private async Task<List<string[]>> CommandsAsync(string key, KeyValuePair<string, RankingChanges.Change>[] changes, DateTimeOffset? expiry, CancellationToken cancellation)
    {
        var orders = key + RankingKeys.Orders;
        var asking = Database.ExecuteAsync("ZMSCORE", [(RedisKey)key, .. changes.Select(change => (object)change.Key)]);
        var counts = await Database.HashGetAsync(orders, [.. changes.Select(change => (RedisValue)change.Key)]).WaitAsync(Bound, cancellation);
        var scores = (RedisValue[])(await asking.WaitAsync(Bound, cancellation))!;
        List<string> revenue = ["ZADD", key], count = ["HSET", orders], unranked = ["ZREM", key], uncounted = ["HDEL", orders];
        for (var i = 0; i < changes.Length; i++)
        {
            var (id, change) = changes[i];
            var total = (long)counts[i] + change.Orders;
            if (total > 0)
            {
                revenue.AddRange([$"{(long)(double)scores[i] - change.Cents}", id]);
                count.AddRange([id, $"{total}"]);
            }
            else
            {
                unranked.Add(id);
                uncounted.Add(id);
            }
        }
        List<string[]> commands = [.. new[] { revenue, count, unranked, uncounted }.Where(command => command.Count > 2).Select(command => command.ToArray())];
        return expiry is { } at && revenue.Count > 2
            ? [.. commands, ["EXPIREAT", key, $"{at.ToUnixTimeSeconds()}"], ["EXPIREAT", orders, $"{at.ToUnixTimeSeconds()}"]]
            : commands;
    }

    private IEnumerable<string[]> EntryCommands(Dictionary<string, CachedStatus> entries) =>
        entries.Chunk(CommandIds / 2).Select(chunk => (string[])["MSET", .. chunk.SelectMany(entry => new[] { RankingKeys.Order(generation, entry.Key), entry.Value.ToString() })]);

    private static IEnumerable<RedisKey> KeysOf(string[] command) =>
        command[0] == "MSET" ? command.Skip(1).Where((_, place) => place % 2 == 0).Select(key => (RedisKey)key) : [command[1]];

    private static ProgressLostException Lost() => new("Another process goes on with the rebuild, or Redis was emptied.");

    /// <summary>What the state's plan says: how many commands the plan has, and where the partitions stand after them.</summary>
    private sealed record PendingPlan(int Commands, Dictionary<string, string> Offsets);
}
