using System.Collections.Concurrent;
using Confluent.Kafka;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>A few members of one group, each on a loop of its own that commits what it has seen before it gives partitions away.</summary>
internal sealed class ConsumingGroup : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(45);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource[] _leaves;
    private readonly Task[] _members;

    public ConsumingGroup(string address, string topic, int members)
    {
        var group = $"group-{Guid.NewGuid():n}";
        Assigned = [.. Enumerable.Range(0, members).Select(_ => new ConcurrentBag<int>())];
        _leaves = [.. Enumerable.Range(0, members).Select(_ => CancellationTokenSource.CreateLinkedTokenSource(_stop.Token))];
        _members = [.. Enumerable.Range(0, members).Select(m => Task.Factory.StartNew(() => Consume(address, topic, group, m), TaskCreationOptions.LongRunning))];
    }

    /// <summary>The partitions of each member.</summary>
    public IReadOnlyList<ConcurrentBag<int>> Assigned { get; }

    public ConcurrentQueue<(int Partition, long Offset)> Seen { get; } = new();

    public Task LeaveAsync(int member)
    {
        _leaves[member].Cancel();
        return _members[member];
    }

    public async Task UntilAsync(Func<bool> condition)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            TimeProvider.System.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{Seen.Count} records seen, partitions {string.Join('/', Assigned.Select(a => a.Count))}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        Task.WaitAll(_members);
        _stop.Dispose();
    }

    private void Consume(string address, string topic, string group, int member)
    {
        using var consumer = new ConsumerBuilder<string, string?>(
                new ConsumerConfig { BootstrapServers = address, GroupId = group, AutoOffsetReset = AutoOffsetReset.Earliest, EnableAutoCommit = false, EnableAutoOffsetStore = false, SessionTimeoutMs = 6_000, HeartbeatIntervalMs = 500 })
            .SetPartitionsAssignedHandler((_, partitions) => partitions.ForEach(p => Assigned[member].Add(p.Partition)))
            .SetPartitionsRevokedHandler((c, _) =>
            {
                Commit(c);
                Assigned[member].Clear();
            })
            .Build();
        consumer.Subscribe(topic);
        while (!_leaves[member].IsCancellationRequested)
        {
            if (consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } record)
            {
                Seen.Enqueue((record.Partition, record.Offset));
                consumer.StoreOffset(record);
            }
        }
        consumer.Close();
    }

    private static void Commit(IConsumer<string, string?> consumer)
    {
        try
        {
            consumer.Commit();
        }
        catch (KafkaException e) when (e.Error.Code == ErrorCode.Local_NoOffset)
        {
            // nothing was consumed since the last commit
        }
    }
}
