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
/// Writes a generation that nobody reads yet. It sums up many batches before it writes: the sums become commands with absolute values,
/// which are kept as a plan in Redis and then run there, part by part, while the next batches are summed up. A plan that is still there
/// is run once more before anything else, as decision 6 has it.
/// </summary>
internal sealed class RankingsBuilder(IConnectionMultiplexer redis, TimeProvider clock, ILogger log, long epoch) : ISink
{
    // ids in one command, and commands in one part of a plan: a part runs alone, and is well below a page of Garnet's log
    private const int CommandIds = 500;
    private const int PartCommands = 16;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    private readonly Dictionary<TopicPartition, long> _progress = [];
    private Sums _sums = new(clock);
    private Sums _written = new(clock); // or being written
    private Task _writing = Task.CompletedTask;

    public string Name => RebuildableProjections.Rankings;

    public string? Store => "redis";

    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    public int MaxBatch => 5000;

    public TimeSpan Linger => TimeSpan.FromMilliseconds(2);

    /// <summary>What it writes.</summary>
    public string Generation { get; set; } = "";

    /// <summary>Events that are summed up before they are written: the more, the fewer of the same customers and products are written again and again.</summary>
    public int SummedEvents { get; set; } = 50_000;

    private RedisKey State => StateOf(Generation);

    private RedisKey Plan => PlanOf(Generation);

    private IDatabase Database => redis.GetDatabase();

    /// <summary>The state of a generation that is being made.</summary>
    public static string StateOf(string generation) => RankingKeys.Of(generation) + "state";

    /// <summary>The plan of a generation that is being made.</summary>
    public static string PlanOf(string generation) => RankingKeys.Of(generation) + "plan";

    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        (_writing, _sums, _written) = (Task.CompletedTask, new Sums(clock), new Sums(clock));
        var state = await TakeAsync(cancellation);
        if (state.GetValueOrDefault(RankingKeys.Plan) is { Length: > 0 } plan)
        {
            await FinishAsync(JsonSerializer.Deserialize<PendingPlan>(plan)!, cancellation);
            state = await TakeAsync(cancellation);
        }
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = long.Parse(state.GetValueOrDefault(RankingKeys.Offset + partition.Partition.Value, "0"));
        }
        return _progress;
    }

    /// <summary>Sums up a batch. It is in Redis after <see cref="FlushAsync"/>.</summary>
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        await BookAsync(batch, cancellation);
        if (_sums.Events >= SummedEvents)
        {
            await BeginWritingAsync(cancellation);
        }
    }

    /// <summary>Writes all that is summed up.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        if (_sums.Events > 0)
        {
            await BeginWritingAsync(cancellation);
        }
        await _writing;
    }

    private async Task BeginWritingAsync(CancellationToken cancellation)
    {
        await _writing;
        (_written, _sums) = (_sums, new Sums(clock));
        _writing = WriteAsync(_written, cancellation);
    }

    private async Task WriteAsync(Sums sums, CancellationToken cancellation)
    {
        List<string[]> commands = [.. await RankingCommandsAsync(sums.Changes, cancellation), .. EntryCommands(sums.Entries)];
        var parts = commands.Chunk(PartCommands).Select((part, number) => new HashEntry(number, JsonSerializer.SerializeToUtf8Bytes(part))).ToArray();
        var plan = new PendingPlan(parts.Length, sums.Offsets.ToDictionary(partition => RankingKeys.Offset + partition.Key.Partition.Value, partition => $"{partition.Value}"));
        await Task.WhenAll(parts.Select(part => Database.HashSetAsync(Plan, [part]))).WaitAsync(Bound, cancellation);
        await RunAsync(ShadowScripts.Mark, [RankingKeys.Plan, JsonSerializer.Serialize(plan)], cancellation);
        await FinishAsync(plan, cancellation);
    }

    /// <summary>Moves the progress forward without a batch.</summary>
    public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation)
    {
        var further = offsets.Where(partition => _progress.Any(known => known.Key.Partition.Value == partition.Key && known.Value < partition.Value));
        return RunAsync(ShadowScripts.Mark, [RankingKeys.Plan, "", .. further.SelectMany(partition => new RedisValue[] { RankingKeys.Offset + partition.Key, partition.Value })], cancellation);
    }

    private async Task<Dictionary<string, string>> TakeAsync(CancellationToken cancellation)
    {
        var answer = await Database.EvaluateAsync(ShadowScripts.Take, [State], [Generation, epoch], Bound, cancellation);
        var state = ((string[])answer!).Chunk(2).ToDictionary(field => field[0], field => field[1]);
        return state.Count > 0 ? state : throw Lost();
    }

    // absolute values: set again, they change nothing
    private async Task FinishAsync(PendingPlan plan, CancellationToken cancellation)
    {
        await Task.WhenAll(Enumerable.Range(0, plan.Parts).Select(part => RunAsync(ShadowScripts.Run, [part], cancellation)));
        await RunAsync(ShadowScripts.Mark, [RankingKeys.Plan, "", .. plan.Offsets.SelectMany(offset => new RedisValue[] { offset.Key, offset.Value })], cancellation);
    }

    private async Task RunAsync(string script, RedisValue[] arguments, CancellationToken cancellation)
    {
        if ((string?)await Database.EvaluateAsync(script, [State, Plan], [epoch, .. arguments], Bound, cancellation) == ShadowScripts.Lost)
        {
            throw Lost();
        }
    }

    private async Task BookAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var sequences = await SequencesAsync([.. batch.Select(record => record.Key).Distinct().Where(id => !_sums.Entries.ContainsKey(id) && !_written.Entries.ContainsKey(id))], cancellation);
        foreach (var record in batch)
        {
            _sums.Passed(record);
            var last = (_sums.Entries.GetValueOrDefault(record.Key) ?? _written.Entries.GetValueOrDefault(record.Key))?.Sequence ?? sequences.GetValueOrDefault(record.Key);
            if (record.Sequence <= last)
            {
                continue;
            }
            if (record.Sequence > last + 1)
            {
                ProjectionLog.Gap(log, Name, record.Key, last, record.Sequence);
            }
            var happened = record.Read<OrderEvent>();
            _sums.Changes.Add(happened);
            _sums.Entries[record.Key] = new CachedStatus(record.Sequence, happened.NewStatus);
        }
    }

    private async Task<Dictionary<string, int>> SequencesAsync(string[] orderIds, CancellationToken cancellation)
    {
        var chunks = orderIds.Chunk(CommandIds).ToList();
        var found = await Task.WhenAll(chunks.Select(ids => Database.StringGetAsync([.. ids.Select(id => (RedisKey)RankingKeys.Order(Generation, id))]))).WaitAsync(Bound, cancellation);
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
            let key = RankingKeys.Ranking(Generation, ranking.Key.Kind, ranking.Key.Window)
            from slice in ranking.Value.Chunk(CommandIds)
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
        entries.Chunk(CommandIds).Select(chunk => (string[])["MSET", .. chunk.SelectMany(entry => new[] { RankingKeys.Order(Generation, entry.Key), entry.Value.ToString() })]);

    private static ProgressLostException Lost() => new("Another process goes on with the rebuild, or Redis was emptied.");

    /// <summary>What the state says of the plan: how many parts it has, and the offsets after them.</summary>
    private sealed record PendingPlan(int Parts, Dictionary<string, string> Offsets);

    /// <summary>What some batches come to.</summary>
    private sealed class Sums(TimeProvider clock)
    {
        public RankingChanges Changes { get; } = new(DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));

        /// <summary>Each order's last event.</summary>
        public Dictionary<string, CachedStatus> Entries { get; } = [];

        /// <summary>The next offsets.</summary>
        public Dictionary<TopicPartition, long> Offsets { get; } = [];

        public int Events { get; private set; }

        public void Passed(Record record)
        {
            Offsets[record.Source.TopicPartition] = record.Source.Offset.Value + 1;
            Events++;
        }
    }
}
