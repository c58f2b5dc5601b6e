using System.Diagnostics;
using Confluent.Kafka;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Consuming;

/// <summary>
/// Feeds one sink: batches of records in the order of their partition, a failing store retried for as long as it takes,
/// partitions given up and taken over at any moment without loss or doubling, since the store itself says where to go on.
/// </summary>
public sealed class PartitionConsumer(ISink sink, IConfiguration configuration, ProjectionState state, ILogger log) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(1);

    // what was read and is not written yet; a rebalance empties it, since the partitions are read again from the store's progress
    private readonly List<Record> _batch = [];

    // the next offset of each partition held, as the store has it
    private readonly Dictionary<TopicPartition, long> _stored = [];
    private long _told;

    // the write that runs, so that partitions are not given up under it
    private CancellationTokenSource? _writing;
    private Task _written = Task.CompletedTask;

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        // librdkafka's Consume blocks: it gets a thread of its own
        Task.Factory.StartNew(() => RunAsync(stoppingToken).GetAwaiter().GetResult(), stoppingToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private async Task RunAsync(CancellationToken stopping)
    {
        var backoff = new Backoff();
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                using var consumer = Consumer(stopping);
                try
                {
                    consumer.Subscribe(sink.Topics);
                    await ConsumeAsync(consumer, backoff, stopping);
                }
                finally
                {
                    // leaves the group at once; disposing alone lets the others wait for the session's end
                    consumer.Close();
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // whatever it was: the store knows how far it is, so starting over is always right
                var pause = backoff.Next();
                state.Failing(sink, e.Message);
                ProjectionLog.StartingOver(log, sink.Name, e.Message, pause.TotalSeconds);
                await Task.Delay(pause, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ConsumeAsync(IConsumer<byte[], byte[]> consumer, Backoff backoff, CancellationToken stopping)
    {
        _batch.Clear();
        while (true)
        {
            Collect(consumer, stopping);
            var records = _batch.ToArray();
            if (records.Length > 0 && await WriteAsync(consumer, records, stopping))
            {
                backoff.Reset();
                Remember(consumer, records);
                state.Wrote(sink, records);
            }
            _batch.Clear();
            state.Caught(sink, consumer, _stored);
            await TellAsync(stopping);
        }
    }

    private async Task TellAsync(CancellationToken stopping)
    {
        var status = state.Projections[sink.Name];
        List<TopicPartition> complete = [.. status.Lag.Where(partition => partition.Value == 0).Select(partition => partition.Key)];
        if (complete.Count == 0 || Stopwatch.GetElapsedTime(_told) < TellEvery)
        {
            return;
        }
        _told = Stopwatch.GetTimestamp();
        try
        {
            await sink.CaughtUpAsync(complete, status.At, stopping);
        }
        catch (Exception e) when (e is not ProgressLostException && !stopping.IsCancellationRequested)
        {
            // the store is away: it is told again, and the next batch waits for it
            state.Failing(sink, e.Message);
        }
    }

    private void Collect(IConsumer<byte[], byte[]> consumer, CancellationToken stopping)
    {
        var since = Stopwatch.GetTimestamp();
        var wait = Poll;
        while (_batch.Count < sink.MaxBatch && wait >= TimeSpan.Zero)
        {
            stopping.ThrowIfCancellationRequested();
            if (consumer.Consume(wait) is not { } consumed)
            {
                return;
            }
            if (_batch.Count == 0)
            {
                since = Stopwatch.GetTimestamp();
            }
            _batch.Add(Record.From(consumed));
            wait = sink.Linger - Stopwatch.GetElapsedTime(since);
        }
    }

    // The store may be away for long: the consumer goes on polling meanwhile, paused, so that it stays in its group.
    // False: the partitions were given up meanwhile, and whoever has them now reads the batch again.
    private async Task<bool> WriteAsync(IConsumer<byte[], byte[]> consumer, Record[] records, CancellationToken stopping)
    {
        using var writing = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        _writing = writing;
        _written = WriteUntilDoneAsync(records, writing.Token);
        try
        {
            if (await Task.WhenAny(_written, Task.Delay(Poll, stopping)) != _written)
            {
                consumer.Pause(consumer.Assignment);
                while (!_written.IsCompleted)
                {
                    KeepMembership(consumer);
                }
                consumer.Resume(consumer.Assignment);
            }
            await _written;
            return true;
        }
        catch (OperationCanceledException) when (writing.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            await writing.CancelAsync();
            await _written.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _writing = null;
        }
    }

    private static void KeepMembership(IConsumer<byte[], byte[]> consumer)
    {
        // a rebalance brings partitions that are not paused: what comes of them now is read again later
        if (consumer.Consume(Poll) is { } early)
        {
            consumer.Seek(early.TopicPartitionOffset);
            consumer.Pause(consumer.Assignment);
        }
    }

    private async Task WriteUntilDoneAsync(Record[] batch, CancellationToken cancellation)
    {
        var backoff = new Backoff();
        while (true)
        {
            try
            {
                await sink.WriteAsync(batch, cancellation);
                return;
            }
            catch (Exception e) when (e is not ProgressLostException && !cancellation.IsCancellationRequested)
            {
                var pause = backoff.Next();
                state.Failing(sink, e.Message);
                ProjectionLog.Retrying(log, sink.Name, batch.Length, e.Message, pause.TotalSeconds);
                await Task.Delay(pause, cancellation);
            }
        }
    }

    // The group's offsets are for tools that show lag. Nothing resumes from there: the store's own progress counts.
    private void Remember(IConsumer<byte[], byte[]> consumer, Record[] batch)
    {
        foreach (var partition in batch.GroupBy(record => record.Source.TopicPartition))
        {
            if (_stored.ContainsKey(partition.Key))
            {
                _stored[partition.Key] = partition.Max(record => record.Source.Offset.Value) + 1;
                consumer.StoreOffset(new TopicPartitionOffset(partition.Key, _stored[partition.Key]));
            }
        }
    }

    private IConsumer<byte[], byte[]> Consumer(CancellationToken stopping) => KafkaClients.Consumer(
        configuration.Required(Connections.Kafka),
        group: "projection-" + sink.Name,
        builder => builder
            .SetPartitionsAssignedHandler((_, partitions) => Resume(partitions, stopping))
            .SetPartitionsRevokedHandler((_, _) => GiveUp())
            .SetPartitionsLostHandler((_, _) => GiveUp()));

    private List<TopicPartitionOffset> Resume(List<TopicPartition> partitions, CancellationToken stopping)
    {
        // the handler is synchronous, and runs on this consumer's own thread
        var progress = sink.ResumeAsync(partitions, stopping).GetAwaiter().GetResult();
        foreach (var partition in partitions)
        {
            _stored[partition] = progress.GetValueOrDefault(partition);
        }
        return [.. partitions.Select(partition => new TopicPartitionOffset(partition, progress.TryGetValue(partition, out var next) ? next : Offset.Beginning))];
    }

    // Whoever takes the partitions over reads the progress from the store: a write of ours must be over by then.
    private void GiveUp()
    {
        _batch.Clear();
        _stored.Clear();
        _writing?.Cancel();
        _written.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
    }
}
