using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Consuming;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Rankings;

/// <summary>order.events -> rankings by revenue, live counters and the status of every order, in Redis.</summary>
public sealed class RankingsProjection : ISink
{
    // Bounds a script's run and its plan: entries of ids of up to 100 characters stay well under 4 MB, a page of Garnet's log.
    private const int MaxEntries = 6000;

    private readonly RankingStore _store;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Dictionary<TopicPartition, long> _progress = [];
    private string _generation = "";

    /// <param name="redis">Where the rankings are.</param>
    /// <param name="clock">Says which days are kept.</param>
    /// <param name="log">Gaps.</param>
    public RankingsProjection(IConnectionMultiplexer redis, TimeProvider clock, ILogger<RankingsProjection> log)
    {
        _store = new RankingStore(redis);
        _clock = clock;
        _log = log;
    }

    /// <inheritdoc />
    public string Name => RebuildableProjections.Rankings;

    /// <inheritdoc />
    public string? Store => "redis";

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; } = [Contracts.Topics.OrderEvents];

    /// <inheritdoc />
    public int MaxBatch => 10_000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(5);

    /// <inheritdoc />
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        var (generation, offsets) = await _store.ResumeAsync(cancellation);
        if (offsets.Count == 0)
        {
            await _store.RemoveOthersAsync(generation, await _store.ShadowAsync(cancellation), cancellation);
        }
        _generation = generation;
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = offsets.GetValueOrDefault(partition.Partition.Value);
        }
        return _progress;
    }

    /// <inheritdoc />
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var sequences = await _store.SequencesAsync(_generation, [.. batch.Select(record => record.Key).Distinct()], cancellation);
        var slice = new Slice(this);
        foreach (var record in batch)
        {
            // a part of the batch may be in already, by an attempt whose answer was lost
            if (record.Source.Offset.Value >= _progress.GetValueOrDefault(record.Source.TopicPartition))
            {
                slice.Add(record, sequences);
            }
            if (slice.Entries >= MaxEntries)
            {
                await slice.WriteAsync(cancellation);
                slice = new Slice(this);
            }
        }
        await slice.WriteAsync(cancellation);
    }

    /// <inheritdoc />
    public Task CaughtUpAsync(IReadOnlyList<TopicPartition> partitions, DateTimeOffset until, CancellationToken cancellation) =>
        _store.CaughtUpAsync(_generation, partitions.Select(partition => (partition.Partition.Value, _progress.GetValueOrDefault(partition))), until, cancellation);

    /// <summary>As much of a batch as one script takes.</summary>
    private sealed class Slice(RankingsProjection projection)
    {
        private readonly RankingChanges _changes = new(DateOnly.FromDateTime(projection._clock.GetUtcNow().UtcDateTime));
        private readonly Dictionary<TopicPartition, long> _next = [];
        private readonly Dictionary<string, CachedStatus> _orders = [];

        /// <summary>What it sets: ids in rankings, and orders.</summary>
        public int Entries => _changes.Entries + _orders.Count;

        public void Add(Record record, Dictionary<string, int> sequences)
        {
            _next[record.Source.TopicPartition] = record.Source.Offset.Value + 1;
            if (!sequences.TakeNew(record, projection.Name, projection._log))
            {
                return;
            }
            var happened = record.Read<OrderEvent>();
            _changes.Add(happened);
            _orders[record.Key] = new CachedStatus(record.Sequence, happened.NewStatus);
        }

        public async Task WriteAsync(CancellationToken cancellation)
        {
            if (_next.Count == 0)
            {
                return;
            }
            await projection._store.WriteAsync(Batch(), cancellation);
            foreach (var (partition, next) in _next)
            {
                projection._progress[partition] = next;
            }
            projection._store.Announce(_orders.Select(order => $"{order.Key} {order.Value.Sequence} {order.Value.Status}"));
        }

        private RankingStore.Batch Batch() => new(
            projection._generation,
            _next.ToDictionary(partition => partition.Key.Partition.Value, partition => new RankingStore.Move($"{projection._progress.GetValueOrDefault(partition.Key)}", $"{partition.Value}")),
            [.. _changes.Rankings.Select(ranking => new RankingStore.Ranking(
                RankingKeys.Ranking(projection._generation, ranking.Key.Kind, ranking.Key.Window),
                [.. ranking.Value.Keys],
                [.. ranking.Value.Values.Select(change => change.Cents)],
                [.. ranking.Value.Values.Select(change => change.Orders)],
                RankingChanges.ExpiryOf(ranking.Key.Window)?.ToUnixTimeSeconds().ToString()))],
            _orders.ToDictionary(order => RankingKeys.Order(projection._generation, order.Key), order => order.Value.ToString()));
    }
}
