using System.Diagnostics;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Consuming;

/// <summary>
/// Feeds one sink: batches of records in the order of their partition, a failing store retried for as long as it takes, a
/// record that is itself at fault parked with its key while all others flow on, partitions given up and taken over at any
/// moment without loss or doubling, since the store itself says where to go on.
/// </summary>
/// <param name="orders">The orders database, which has the dead letters.</param>
public sealed class PartitionConsumer(ISink sink, IConfiguration configuration, ProjectionState state, ILogger log, NpgsqlDataSource orders) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan CommittedBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TellInterval = TimeSpan.FromSeconds(1);

    private const int PoisonTries = 3;

    // a batch holds no more than this, however many records the sink would take
    private const int MaxBatchBytes = 16 * 1024 * 1024;

    // what was read and is not written yet; a rebalance empties it, since the partitions are read again from the store's progress
    private readonly List<ArrivedRecord> _batch = [];

    private readonly HeldPartitions _held = new();

    private readonly DeadLetterQueue _deadLetters = new(sink.Name, orders, configuration, log);

    /// <summary>Called after each step of a dead letter: where tests break it off.</summary>
    internal Action<DeadLetterStep> Reached
    {
        set => _deadLetters.Reached = value;
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _deadLetters.Dispose();
        base.Dispose();
    }

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
                consumer.Subscribe(sink.Topics);
                await ConsumeUntilStoppedAsync(consumer, backoff, stopping);
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

    private async Task ConsumeUntilStoppedAsync(IConsumer<byte[], byte[]> consumer, Backoff backoff, CancellationToken stopping)
    {
        try
        {
            await ConsumeAsync(consumer, backoff, stopping);
        }
        finally
        {
            // leaves the group, so that its other members need not wait until the session runs out
            consumer.Close();
        }
    }

    private async Task ConsumeAsync(IConsumer<byte[], byte[]> consumer, Backoff backoff, CancellationToken stopping)
    {
        _batch.Clear();
        var toldAt = Stopwatch.GetTimestamp();
        while (true)
        {
            Collect(consumer, stopping);
            var records = _batch.ToArray();
            if (records.Length > 0)
            {
                var written = await WriteAsync(records, stopping);
                backoff.Reset();
                // what lag tools show; only a sink whose store is Kafka resumes from it
                _held.Passed(records).ToList().ForEach(consumer.StoreOffset);
                state.Wrote(sink, written);
            }
            _batch.Clear();
            state.Caught(sink, consumer, _held, _deadLetters.ParkedSince);
            if (Stopwatch.GetElapsedTime(toldAt) > TellInterval)
            {
                await RedriveAsync(stopping);
                await TellAsync(stopping);
                toldAt = Stopwatch.GetTimestamp();
            }
        }
    }

    private async Task RedriveAsync(CancellationToken stopping)
    {
        try
        {
            await _deadLetters.RedriveAsync(_held.Partitions, stopping);
        }
        catch (Exception e) when (e is NpgsqlException or KafkaException)
        {
            // it is tried again in a second; that one of them is away, their health says
        }
    }

    private async Task TellAsync(CancellationToken stopping)
    {
        var status = state.Projections[sink.Name];
        List<TopicPartition> complete = [.. status.Lag.Where(partition => partition.Value == 0).Select(partition => partition.Key)];
        if (complete.Count == 0)
        {
            return;
        }
        try
        {
            await sink.CaughtUpAsync(complete, complete.Min(partition => status.CompleteUntil[partition]), stopping);
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
        var bytes = 0;
        while (_batch.Count < sink.MaxBatch && bytes < MaxBatchBytes)
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
            _batch.Add(new ArrivedRecord(consumed));
            bytes += _batch[^1].Size;
            // what has come already is taken, however long that takes: a backlog goes in large batches
            var left = sink.Linger - Stopwatch.GetElapsedTime(since);
            wait = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    // Writes what is not parked. A part that is refused for what is in it is split around the record that is named, or in halves,
    // until it is one record alone: that one is parked, and what follows of its key behind it.
    private async Task<IReadOnlyList<Record>> WriteAsync(ArrivedRecord[] batch, CancellationToken cancellation)
    {
        var written = new List<Record>(batch.Length);
        var parts = new Stack<IReadOnlyList<ArrivedRecord>>([batch]);
        while (parts.TryPop(out var part))
        {
            var free = await UntilDoneAsync(part.Count, () => _deadLetters.AdmitAsync(part, cancellation), cancellation);
            var records = free.Select(arrived => arrived.Record!).ToList();
            if (records.Count == 0)
            {
                continue;
            }
            switch (await RefusalAsync(records, cancellation))
            {
                case null:
                    written.AddRange(records);
                    break;
                case var refusal when free is [var poison]:
                    await UntilDoneAsync(1, () => ParkAsync(poison, refusal.Message, cancellation), cancellation);
                    break;
                case var refusal:
                    Split(free, refusal).ForEach(parts.Push);
                    break;
            }
        }
        return written;
    }

    // A constraint can be violated by a race that the next try does not lose, so one record alone is tried more than once.
    private async Task<Exception?> RefusalAsync(List<Record> records, CancellationToken cancellation)
    {
        var backoff = new Backoff();
        for (var tries = 1; ; tries++)
        {
            var refusal = await UntilDoneAsync(records.Count, () => TryWriteAsync(records, cancellation), cancellation);
            if (refusal is null or PoisonRecordException || records.Count > 1 || tries == PoisonTries)
            {
                return refusal;
            }
            await Task.Delay(backoff.Next(), cancellation);
        }
    }

    /// <returns>Why the records themselves are refused; null when they are written.</returns>
    private async Task<Exception?> TryWriteAsync(IReadOnlyList<Record> records, CancellationToken cancellation)
    {
        using var span = EventSpans.StartBatch(sink.Name + " write", ActivityKind.Consumer, records.Select(record => record.TraceParent));
        try
        {
            await sink.WriteAsync(records, cancellation);
            span.EndBatch(records.Select(record => record.TraceParent));
            return null;
        }
        catch (Exception e) when (Poison.IsIn(e) && !NamesAnother(e, records))
        {
            return e;
        }
    }

    // a store may fail over what it had taken before: that is no fault of these
    private static bool NamesAnother(Exception failure, IReadOnlyList<Record> records) =>
        failure is PoisonRecordException poison && records.All(record => record.Source != poison.Record);

    private async Task<bool> ParkAsync(ArrivedRecord poison, string error, CancellationToken cancellation)
    {
        await _deadLetters.ParkAsync(poison, error, cancellation);
        return true;
    }

    /// <returns>The parts, the last one first.</returns>
    private static List<IReadOnlyList<ArrivedRecord>> Split(IReadOnlyList<ArrivedRecord> refused, Exception refusal)
    {
        IReadOnlyList<ArrivedRecord>[] parts = refusal is PoisonRecordException poison && refused.Index().First(record => record.Item.Source == poison.Record).Index is var named
            ? [[.. refused.Skip(named + 1)], [refused[named]], [.. refused.Take(named)]]
            : [[.. refused.Skip(refused.Count / 2)], [.. refused.Take(refused.Count / 2)]];
        return [.. parts.Where(part => part.Count > 0)];
    }

    // Kafka is not asked for anything meanwhile: librdkafka keeps up the membership for max.poll.interval.ms (5 minutes), and
    // after a longer absence of the store the consumer starts over. Pausing the partitions and polling on would lose records:
    // a pause drops what was fetched, and of a partition without a consumed record it is not fetched again (2.15.1,
    // rd_kafka_toppar_pause_resume).
    private async Task<T> UntilDoneAsync<T>(int records, Func<Task<T>> work, CancellationToken cancellation)
    {
        var backoff = new Backoff();
        while (true)
        {
            try
            {
                return await work();
            }
            catch (Exception e) when (e is not ProgressLostException && !cancellation.IsCancellationRequested)
            {
                var pause = backoff.Next();
                state.Failing(sink, e.Message);
                ProjectionLog.Retrying(log, sink.Name, records, e.Message, pause.TotalSeconds);
                await Task.Delay(pause, cancellation);
            }
        }
    }

    private IConsumer<byte[], byte[]> Consumer(CancellationToken stopping) => KafkaClients.Consumer(
        configuration.Required(Connections.Kafka),
        group: "projection-" + sink.Name,
        builder => builder
            .SetPartitionsAssignedHandler((consumer, partitions) => Resume(consumer, partitions, stopping))
            .SetPartitionsRevokedHandler((_, partitions) => GiveUp(partitions))
            .SetPartitionsLostHandler((_, partitions) => GiveUp(partitions)),
        instance: configuration["Kafka:Instance"]);

    private List<TopicPartitionOffset> Resume(IConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions, CancellationToken stopping)
    {
        // the handler is synchronous, and runs on this consumer's own thread
        _deadLetters.ResumeAsync(stopping).GetAwaiter().GetResult();
        var progress = sink.ResumeAsync(partitions, stopping).GetAwaiter().GetResult();
        var next = partitions.ConvertAll(partition => new TopicPartitionOffset(partition, progress.TryGetValue(partition, out var offset) ? offset : Offset.Beginning));
        var stored = next.Where(partition => partition.Offset == Offset.Stored).Select(partition => partition.TopicPartition).ToList();
        if (stored.Count > 0)
        {
            next = [.. next.Where(partition => partition.Offset != Offset.Stored), .. consumer.Committed(stored, CommittedBound).Select(CommittedOrBeginning)];
        }
        _held.Take(next);
        return next;
    }

    private static TopicPartitionOffset CommittedOrBeginning(TopicPartitionOffset committed) =>
        committed.Offset == Offset.Unset ? new TopicPartitionOffset(committed.TopicPartition, Offset.Beginning) : committed;

    // Comes from within Consume, so no write of ours is under way when another consumer takes the partitions over.
    private void GiveUp(List<TopicPartitionOffset> partitions)
    {
        _batch.Clear();
        _held.GiveUp(partitions.Select(partition => partition.TopicPartition));
    }
}
