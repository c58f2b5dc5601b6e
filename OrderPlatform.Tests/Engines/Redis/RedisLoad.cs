using StackExchange.Redis;

namespace OrderPlatform.Tests.Engines.Redis;

/// <summary>
/// Writers that pipeline steps, and know what was sent and what was acknowledged. A step is a SET, an INCR, a ZADD and a script that reads
/// and then writes with one command. After a crash each must be between the two numbers, in the order sent, and whole.
/// </summary>
internal sealed class RedisLoad
{
    private const int Writers = 4;
    private const int Pipelined = 25;

    private const string CountTwice =
        """
        local step = (tonumber(redis.call('HGET', KEYS[1], 'step')) or 0) + 1
        redis.call('HSET', KEYS[1], 'step', step, 'twice', 2 * step)
        """;

    private readonly long[] _sent = new long[Writers];
    private readonly long[] _acknowledged = new long[Writers];

    private long Acknowledged => _acknowledged.Sum(step => Volatile.Read(ref step));

    public Task RunAsync(IDatabase database, CancellationToken stop) =>
        Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(database, new Keys(writer), stop), CancellationToken.None)));

    public async Task UntilAcknowledgedAsync(long more, CancellationToken cancellation)
    {
        var goal = Acknowledged + more;
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(TimeSpan.FromSeconds(20));
        while (Acknowledged < goal)
        {
            await Task.Delay(5, bound.Token);
        }
    }

    /// <summary>Compares what is there with what was acknowledged, and makes it the starting point of the next round.</summary>
    public async Task CheckAsync(IDatabase database)
    {
        foreach (var keys in Enumerable.Range(0, Writers).Select(writer => new Keys(writer)))
        {
            var (acknowledged, sent) = (_acknowledged[keys.Writer], _sent[keys.Writer]);
            long[] there =
            [
                (long)await database.StringGetAsync(keys.Last),
                (long)await database.StringGetAsync(keys.Count),
                (long)(await database.SortedSetScoreAsync(keys.Set, "step") ?? 0),
                (long)await database.HashGetAsync(keys.Script, "step"),
            ];

            there.ShouldAllBe(step => step >= acknowledged && step <= sent, $"acknowledged {acknowledged}, sent {sent}, there {string.Join(", ", there)}");
            there.ShouldBeInOrder(SortDirection.Descending, "a crash cuts off the end of what was sent, and nothing before it");
            (there[0] - there[^1]).ShouldBeLessThanOrEqualTo(1);
            ((long)await database.HashGetAsync(keys.Script, "twice")).ShouldBe(2 * there[3]);

            await StartFromAsync(database, keys, there.Max());
        }
    }

    private async Task StartFromAsync(IDatabase database, Keys keys, long step)
    {
        await database.StringSetAsync([new(keys.Last, step), new(keys.Count, step)]);
        await database.SortedSetAddAsync(keys.Set, "step", step);
        await database.HashSetAsync(keys.Script, [new("step", step), new("twice", 2 * step)]);
        _sent[keys.Writer] = _acknowledged[keys.Writer] = step;
    }

    private async Task WriteAsync(IDatabase database, Keys keys, CancellationToken stop)
    {
        var pending = new Queue<(long Step, Task Answers)>();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                var step = ++_sent[keys.Writer];
                pending.Enqueue((step, SendAsync(database, keys, step)));
                if (pending.Count == Pipelined)
                {
                    var (oldest, answers) = pending.Dequeue();
                    await answers.WaitAsync(stop); // the client leaves some answers open for ever when its server is killed
                    _acknowledged[keys.Writer] = oldest;
                }
            }
        }
        catch (Exception e) when (e is RedisException or TimeoutException or OperationCanceledException)
        {
            // killed: nothing after this was acknowledged
        }
    }

    private static Task SendAsync(IDatabase database, Keys keys, long step) =>
        Task.WhenAll(
            database.StringSetAsync(keys.Last, step),
            database.StringIncrementAsync(keys.Count),
            database.SortedSetAddAsync(keys.Set, "step", step),
            database.ScriptEvaluateAsync(CountTwice, [keys.Script]));

    private sealed record Keys(int Writer)
    {
        public RedisKey Last => $"{{{Writer}}}:last";
        public RedisKey Count => $"{{{Writer}}}:count";
        public RedisKey Set => $"{{{Writer}}}:set";
        public RedisKey Script => $"{{{Writer}}}:script";
    }
}
