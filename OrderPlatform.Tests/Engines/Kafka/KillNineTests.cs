using System.Collections.Concurrent;
using System.Globalization;
using Confluent.Kafka;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>kill -9 under load, again and again.</summary>
public sealed class KillNineTests(KafkaFixture broker) : IClassFixture<KafkaFixture>
{
    private const int Kills = 30;
    private const int Partitions = 4;
    private const int RecordsBetweenKills = 400;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Nothing_acknowledged_is_lost_nothing_doubled_nothing_reordered_and_group_offsets_are_kept()
    {
        var topic = await broker.NewTopicAsync(Partitions);
        var acknowledged = new ConcurrentDictionary<(int Partition, long Sequence), long>();
        var failures = new ConcurrentQueue<string>();
        using var stop = new CancellationTokenSource();
        var sent = new long[Partitions];
        using var producer = Producer();
        var load = Task.Factory.StartNew(() => Produce(producer, topic, sent, acknowledged, failures, stop.Token), TaskCreationOptions.LongRunning);
        using var committer = Consumer("committer");
        var committed = 0L;

        for (var kill = 0; kill < Kills; kill++)
        {
            var before = acknowledged.Count;
            await UntilAsync(() => acknowledged.Count >= before + RecordsBetweenKills);
            committed++;
            Commit(committer, topic, committed);
            await broker.KillAndRestartAsync();
            committer.Committed([new TopicPartition(topic, 0)], Bound).Single().Offset.Value.ShouldBe(committed);
        }
        await stop.CancelAsync();
        await load;
        producer.Flush(Bound);

        failures.ShouldBeEmpty();
        acknowledged.Count.ShouldBe((int)sent.Sum());
        using var consumer = Consumer("reader");
        for (var partition = 0; partition < Partitions; partition++)
        {
            // every sequence once and in order, each where its acknowledgement said
            consumer.Assign(new TopicPartitionOffset(topic, partition, Offset.Beginning));
            for (var sequence = 0L; sequence < sent[partition]; sequence++)
            {
                var record = consumer.Consume(Bound).ShouldNotBeNull();
                record.Message.Value.ShouldBe(sequence);
                acknowledged[(partition, sequence)].ShouldBe(record.Offset.Value);
            }
            consumer.QueryWatermarkOffsets(new TopicPartition(topic, partition), Bound).High.Value.ShouldBe(sent[partition]);
        }
    }

    private static void Produce(
        IProducer<Null, long> producer, string topic, long[] sent, ConcurrentDictionary<(int Partition, long Sequence), long> acknowledged, ConcurrentQueue<string> failures, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            // as many under way as make full pipes, no more than can be flushed at the end
            if (sent.Sum() - acknowledged.Count > 5_000)
            {
                producer.Poll(TimeSpan.FromMilliseconds(5));
                continue;
            }
            for (var partition = 0; partition < Partitions; partition++)
            {
                var (p, sequence) = (partition, sent[partition]++);
                producer.Produce(new TopicPartition(topic, p), new Message<Null, long> { Value = sequence }, report =>
                {
                    if (report.Error.IsError)
                    {
                        failures.Enqueue(string.Create(CultureInfo.InvariantCulture, $"{p}/{sequence}: {report.Error.Reason}"));
                    }
                    else
                    {
                        acknowledged[(p, sequence)] = report.Offset;
                    }
                });
            }
        }
    }

    // the connection of before the kill may be found broken first
    private static void Commit(IConsumer<Null, long> consumer, string topic, long offset)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                consumer.Commit([new TopicPartitionOffset(topic, 0, offset)]);
                return;
            }
            catch (KafkaException e) when (!e.Error.IsFatal && TimeProvider.System.GetElapsedTime(since) < Bound)
            {
                // not acknowledged: commit again
            }
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            TimeProvider.System.GetElapsedTime(since).ShouldBeLessThan(Bound);
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private IProducer<Null, long> Producer() => new ProducerBuilder<Null, long>(new ProducerConfig
    {
        BootstrapServers = broker.Address,
        EnableIdempotence = true,
        Acks = Acks.All,
        LingerMs = 1,
        MessageTimeoutMs = 120_000,
        RetryBackoffMs = 20,
        ReconnectBackoffMs = 10,
        ReconnectBackoffMaxMs = 50,
    }).Build();

    private IConsumer<Null, long> Consumer(string group) => new ConsumerBuilder<Null, long>(new ConsumerConfig
    {
        BootstrapServers = broker.Address,
        GroupId = group,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        EnableAutoCommit = false,
        ReconnectBackoffMs = 10,
        ReconnectBackoffMaxMs = 50,
    }).Build();
}
