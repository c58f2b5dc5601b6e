using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>
/// Reads all partitions of a topic from given offsets on, in large batches, outside of any group. While a batch is written, the next one
/// comes from Kafka, part by part, and the events of each part are read from their JSON.
/// </summary>
internal sealed class TopicReader : IAsyncDisposable
{
    // a batch holds no more than this, however many records were asked for
    private const int MaxBatchBytes = 24 * 1024 * 1024;

    // what is on its way is kept small: what lives longer than a few thousand records is copied by the garbage collector, and costs memory
    private const int PartRecords = 1000;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly Channel<(List<Record> Records, bool EndsBatch)> _parts = Channel.CreateBounded<(List<Record>, bool)>(1);
    private readonly Channel<IReadOnlyList<Record>> _batches = Channel.CreateBounded<IReadOnlyList<Record>>(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _reading;
    private readonly string _bootstrapServers;
    private readonly string _topic;
    private readonly IReadOnlyDictionary<int, long> _covered;
    private readonly int _maxBatch;

    /// <param name="from">The next offset by partition; what is not named begins at 0.</param>
    /// <param name="covered">Offsets by partition: it does no harm when Kafka drops what is before them.</param>
    public TopicReader(IConfiguration configuration, string topic, IReadOnlyDictionary<int, long> from, IReadOnlyDictionary<int, long> covered, int maxBatch)
    {
        (_bootstrapServers, _topic, _covered, _maxBatch) = (configuration.Required(Connections.Kafka), topic, covered, maxBatch);
        _reading = Task.WhenAll(Task.Factory.StartNew(() => Collect(from), _stopping.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default), Task.Run(ReadAheadAsync));
    }

    /// <summary>How long a batch waits to be full: long while there is much to read, short at the end of the topic.</summary>
    public TimeSpan Linger { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Where each partition begins and ends.</summary>
    public static async Task<IReadOnlyDictionary<int, (long Low, long High)>> BordersAsync(IAdminClient kafka, string topic)
    {
        async Task<Dictionary<int, long>> OffsetsAsync(OffsetSpec of) => (await kafka.ListOffsetsAsync(
            Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartitionOffsetSpec { TopicPartition = new TopicPartition(topic, partition), OffsetSpec = of })))
            .ResultInfos.ToDictionary(result => result.TopicPartitionOffsetError.Partition.Value, result => result.TopicPartitionOffsetError.Offset.Value);
        var (low, high) = (await OffsetsAsync(OffsetSpec.Earliest()), await OffsetsAsync(OffsetSpec.Latest()));
        return low.ToDictionary(partition => partition.Key, partition => (partition.Value, high[partition.Key]));
    }

    /// <summary>The next records, each partition's in order; waits for the first.</summary>
    /// <exception cref="RebuildFailedException">Kafka has dropped records that are still needed.</exception>
    /// <exception cref="KafkaException">Kafka cannot be read.</exception>
    public async Task<IReadOnlyList<Record>> NextAsync(CancellationToken cancellation)
    {
        try
        {
            return await _batches.Reader.ReadAsync(cancellation);
        }
        catch (ChannelClosedException e) when (e.InnerException is { } inner)
        {
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task ReadAheadAsync()
    {
        try
        {
            var batch = new List<Record>();
            await foreach (var part in _parts.Reader.ReadAllAsync(_stopping.Token))
            {
                part.Records.ForEach(record => record.ReadAhead());
                batch.AddRange(part.Records);
                if (part.EndsBatch)
                {
                    await _batches.Writer.WriteAsync(batch, _stopping.Token);
                    batch = [];
                }
            }
            _batches.Writer.Complete();
        }
        catch (Exception e)
        {
            _batches.Writer.TryComplete(e);
        }
    }

    private void Collect(IReadOnlyDictionary<int, long> from)
    {
        try
        {
            // a group is required, and never joined
            using var consumer = KafkaClients.Consumer(_bootstrapServers, "rebuild-" + _topic, _ => { });
            var next = Enumerable.Range(0, Topics.Partitions).ToDictionary(partition => partition, partition => from.GetValueOrDefault(partition));
            consumer.Assign(next.Select(partition => new TopicPartitionOffset(_topic, partition.Key, partition.Value)));
            while (!_stopping.IsCancellationRequested)
            {
                CollectBatch(consumer, next);
            }
            _parts.Writer.Complete();
        }
        catch (Exception e)
        {
            _parts.Writer.TryComplete(e);
        }
    }

    private void CollectBatch(IConsumer<byte[], byte[]> consumer, Dictionary<int, long> next)
    {
        var part = new List<Record>(PartRecords);
        var (since, count, bytes, wait) = (Stopwatch.GetTimestamp(), 0, 0, Poll);
        while (count < _maxBatch && bytes < MaxBatchBytes && wait >= TimeSpan.Zero && consumer.Consume(wait) is { } consumed)
        {
            if (consumed.Offset > next[consumed.Partition] && consumed.Offset > _covered.GetValueOrDefault(consumed.Partition))
            {
                throw new RebuildFailedException($"{_topic}[{consumed.Partition.Value}] begins at offset {consumed.Offset.Value}, and {next[consumed.Partition]} is needed: Kafka's retention has overtaken the rebuild. Request it again: it then reads the event log.");
            }
            next[consumed.Partition] = consumed.Offset.Value + 1;
            since = count == 0 ? Stopwatch.GetTimestamp() : since;
            if (part.Count == PartRecords)
            {
                HandOn(part, endsBatch: false);
                part = new List<Record>(PartRecords);
            }
            part.Add(Record.From(consumed));
            (count, bytes) = (count + 1, bytes + part[^1].Value.Length);
            wait = Linger - Stopwatch.GetElapsedTime(since);
        }
        if (count > 0)
        {
            HandOn(part, endsBatch: true);
        }
    }

    private void HandOn(List<Record> part, bool endsBatch) => _parts.Writer.WriteAsync((part, endsBatch), _stopping.Token).AsTask().GetAwaiter().GetResult();
}

/// <summary>A rebuild cannot come to an end. The message is for the operator and names the mend.</summary>
internal sealed class RebuildFailedException(string message) : Exception(message);
