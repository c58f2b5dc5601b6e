using System.Text;
using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>The broker through the client that the platform itself uses.</summary>
public sealed class ConfluentClientTests(KafkaFixture broker) : IClassFixture<KafkaFixture>
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    public async Task Keys_values_headers_and_timestamps_pass_untouched_in_the_codecs_of_the_built_client(CompressionType codec)
    {
        var topic = await broker.NewTopicAsync();
        using var producer = Producer(codec);
        for (var i = 0; i < 100; i++)
        {
            producer.Produce(topic, Message(i));
        }
        producer.Flush(Bound);

        using var consumer = Consumer();
        consumer.Assign(new TopicPartitionOffset(topic, 0, Offset.Beginning));
        for (var i = 0; i < 100; i++)
        {
            var record = Next(consumer);
            record.Offset.Value.ShouldBe(i);
            record.Message.Key.ShouldBe($"key-{i}");
            record.Message.Value.ShouldBe(i % 10 == 9 ? null : $"value-{i}");
            record.Message.Timestamp.UnixTimestampMs.ShouldBe(1_700_000_000_000 + i);
            record.Message.Timestamp.Type.ShouldBe(TimestampType.CreateTime);
            record.Message.Headers.Select(h => (h.Key, Encoding.UTF8.GetString(h.GetValueBytes()))).ShouldBe([("ce_id", $"{i}"), ("ce_type", "é"), ("empty", "")]);
        }
    }

    [Fact]
    public async Task Offsets_for_times_seek_and_pause()
    {
        var topic = await broker.NewTopicAsync(2);
        using var producer = Producer();
        for (var i = 0; i < 100; i++)
        {
            producer.Produce(new TopicPartition(topic, 0), Message(i));
            producer.Produce(new TopicPartition(topic, 1), Message(i));
        }
        producer.Flush(Bound);
        using var consumer = Consumer();
        var (zero, one) = (new TopicPartition(topic, 0), new TopicPartition(topic, 1));

        var found = consumer.OffsetsForTimes(
            [new TopicPartitionTimestamp(zero, new Timestamp(1_700_000_000_042, TimestampType.CreateTime)), new TopicPartitionTimestamp(one, new Timestamp(1_800_000_000_000, TimestampType.CreateTime))], Bound);
        found.Select(f => f.Offset.Value).ShouldBe([42, Offset.End.Value]);
        var borders = consumer.QueryWatermarkOffsets(zero, Bound);
        (borders.Low.Value, borders.High.Value).ShouldBe((0, 100));

        consumer.Assign(new TopicPartitionOffset(zero, Offset.Beginning));
        Next(consumer).Offset.Value.ShouldBe(0);
        consumer.Seek(new TopicPartitionOffset(zero, 42));
        Next(consumer).Offset.Value.ShouldBe(42);

        consumer.Pause([zero]);
        consumer.Consume(TimeSpan.FromMilliseconds(300)).ShouldBeNull();
        consumer.Resume([zero]);
        Next(consumer).Offset.Value.ShouldBe(43);
    }

    [Fact]
    public async Task Three_members_share_the_partitions_and_take_over_when_one_leaves()
    {
        var topic = await broker.NewTopicAsync(6);
        using var group = new ConsumingGroup(broker.Address, topic, members: 3);
        await group.UntilAsync(() => group.Assigned.Select(a => a.Count).SequenceEqual([2, 2, 2]));
        group.Assigned.SelectMany(a => a).Distinct().Count().ShouldBe(6);

        using var producer = Producer();
        for (var i = 0; i < 600; i++)
        {
            producer.Produce(new TopicPartition(topic, i % 6), Message(i));
        }
        producer.Flush(Bound);
        await group.UntilAsync(() => group.Seen.Count == 600);

        await group.LeaveAsync(1);
        await group.UntilAsync(() => group.Assigned.Select(a => a.Count).SequenceEqual([3, 0, 3]));
        for (var i = 0; i < 600; i++)
        {
            producer.Produce(new TopicPartition(topic, i % 6), Message(i));
        }
        producer.Flush(Bound);
        await group.UntilAsync(() => group.Seen.Distinct().Count() == 1200);
        // what was committed is not read again by the new owners
        group.Seen.Count.ShouldBe(1200);
    }

    [Fact]
    public async Task Groups_are_listed_described_and_deleted_and_their_offsets_kept()
    {
        var topic = await broker.NewTopicAsync();
        var groupId = $"group-{Guid.NewGuid():n}";
        using var admin = broker.Admin();
        using (var producer = Producer())
        using (var consumer = Consumer(groupId))
        {
            await producer.ProduceAsync(topic, Message(0), TestContext.Current.CancellationToken);
            consumer.Subscribe(topic);
            Next(consumer);
            consumer.Commit();

            var described = (await admin.DescribeConsumerGroupsAsync([groupId])).ConsumerGroupDescriptions.Single();
            described.State.ShouldBe(ConsumerGroupState.Stable);
            described.Members.Single().Assignment.TopicPartitions.Single().Topic.ShouldBe(topic);
            (await Should.ThrowAsync<DeleteGroupsException>(() => admin.DeleteGroupsAsync([groupId]))).Results.Single().Error.Code.ShouldBe(ErrorCode.NonEmptyGroup);
            consumer.Close();
        }

        (await admin.ListConsumerGroupsAsync()).Valid.ShouldContain(g => g.GroupId == groupId && g.State == ConsumerGroupState.Empty);
        var offsets = await admin.ListConsumerGroupOffsetsAsync([new ConsumerGroupTopicPartitions(groupId, null)]);
        offsets.Single().Partitions.Single().Offset.Value.ShouldBe(1);
        await admin.DeleteGroupsAsync([groupId]);
        (await admin.ListConsumerGroupsAsync()).Valid.ShouldNotContain(g => g.GroupId == groupId);
    }

    [Fact]
    public async Task Topics_are_made_described_and_deleted_and_a_new_one_of_the_same_name_starts_empty()
    {
        var topic = await broker.NewTopicAsync(3, new() { ["retention.ms"] = "1234", ["cleanup.policy"] = "delete" });
        using var admin = broker.Admin();
        var configs = (await admin.DescribeConfigsAsync([new ConfigResource { Type = ResourceType.Topic, Name = topic }])).Single().Entries;
        (configs["retention.ms"].Value, configs["retention.ms"].IsDefault, configs["retention.bytes"].Value, configs["retention.bytes"].IsDefault).ShouldBe(("1234", false, "-1", true));
        admin.GetMetadata(topic, Bound).Topics.Single().Partitions.Count.ShouldBe(3);
        (await admin.DescribeClusterAsync()).Nodes.Single().Port.ShouldBe(broker.Port);

        using var producer = Producer();
        await producer.ProduceAsync(new TopicPartition(topic, 0), Message(0), TestContext.Current.CancellationToken);
        var group = $"group-{Guid.NewGuid():n}";
        using (var consumer = Consumer(group))
        {
            consumer.Commit([new TopicPartitionOffset(topic, 0, 1)]);
        }
        await admin.DeleteTopicsAsync([topic]);
        await admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = 1, ReplicationFactor = 1 }]);
        using (var consumer = Consumer(group))
        {
            consumer.Committed([new TopicPartition(topic, 0)], Bound).Single().Offset.ShouldBe(Offset.Unset);
            consumer.QueryWatermarkOffsets(new TopicPartition(topic, 0), Bound).High.Value.ShouldBe(0);
        }
    }

    [Theory]
    [InlineData("bad name", 1, 1, "retention.ms", "1", ErrorCode.TopicException)]
    [InlineData("..", 1, 1, "retention.ms", "1", ErrorCode.TopicException)]
    [InlineData("good-name", 0, 1, "retention.ms", "1", ErrorCode.InvalidPartitions)]
    [InlineData("good-name", 1, 3, "retention.ms", "1", ErrorCode.InvalidReplicationFactor)]
    [InlineData("good-name", 1, 1, "no.such.config", "1", ErrorCode.InvalidConfig)]
    [InlineData("good-name", 1, 1, "cleanup.policy", "compact", ErrorCode.InvalidConfig)]
    public async Task A_topic_that_cannot_be_is_refused_with_a_sentence(string name, int partitions, short replicas, string config, string value, ErrorCode error)
    {
        using var admin = broker.Admin();
        var refused = await Should.ThrowAsync<CreateTopicsException>(() => admin.CreateTopicsAsync(
            [new TopicSpecification { Name = name, NumPartitions = partitions, ReplicationFactor = replicas, Configs = new() { [config] = value } }]));
        refused.Results.Single().Error.Code.ShouldBe(error);
        refused.Results.Single().Error.Reason.ShouldEndWith(".");
        admin.GetMetadata(Bound).Topics.ShouldNotContain(t => t.Topic == name);
    }

    [Fact]
    public async Task Validate_only_makes_nothing()
    {
        using var admin = broker.Admin();
        await admin.CreateTopicsAsync([new TopicSpecification { Name = "only-validated", NumPartitions = 1, ReplicationFactor = 1 }], new CreateTopicsOptions { ValidateOnly = true });
        admin.GetMetadata(Bound).Topics.ShouldNotContain(t => t.Topic == "only-validated");
    }

    [Fact]
    public async Task An_unknown_topic_is_an_error_and_not_made()
    {
        using var producer = Producer();
        var failed = await Should.ThrowAsync<ProduceException<string, string?>>(() => producer.ProduceAsync("no-such-topic", Message(0)));
        failed.Error.Code.ShouldBe(ErrorCode.UnknownTopicOrPart);
    }

    [Fact]
    public void A_transactional_producer_learns_at_once_that_there_are_no_transactions()
    {
        using var producer = new ProducerBuilder<string, string>(new ProducerConfig { BootstrapServers = broker.Address, TransactionalId = "tx" }).Build();

        var failed = Should.Throw<KafkaException>(() => producer.InitTransactions(TimeSpan.FromSeconds(20)));

        failed.Error.Code.ShouldBe(ErrorCode.TransactionalIdAuthorizationFailed);
    }

    [Fact]
    public async Task A_consumer_below_the_start_of_the_log_is_reset_to_it()
    {
        var topic = await broker.NewTopicAsync(1, new() { ["segment.bytes"] = "2048", ["retention.bytes"] = "4096" });
        using var producer = Producer();
        for (var i = 0; i < 100; i++)
        {
            await producer.ProduceAsync(topic, new Message<string, string?> { Key = "k", Value = new string('x', 500) }, TestContext.Current.CancellationToken);
        }

        using var consumer = Consumer();
        var start = consumer.QueryWatermarkOffsets(new TopicPartition(topic, 0), Bound).Low.Value;
        start.ShouldBeGreaterThan(50);
        consumer.Assign(new TopicPartitionOffset(topic, 0, 0));
        Next(consumer).Offset.Value.ShouldBe(start);
    }

    private static Message<string, string?> Message(int i) => new()
    {
        Key = $"key-{i}",
        Value = i % 10 == 9 ? null : $"value-{i}",
        Timestamp = new Timestamp(1_700_000_000_000 + i, TimestampType.CreateTime),
        Headers = new Headers { { "ce_id", Encoding.UTF8.GetBytes($"{i}") }, { "ce_type", Encoding.UTF8.GetBytes("é") }, { "empty", [] } },
    };

    private static ConsumeResult<string, string?> Next(IConsumer<string, string?> consumer) => consumer.Consume(Bound).ShouldNotBeNull();

    private IProducer<string, string?> Producer(CompressionType codec = CompressionType.None) => new ProducerBuilder<string, string?>(
        new ProducerConfig { BootstrapServers = broker.Address, EnableIdempotence = true, Acks = Acks.All, CompressionType = codec, LingerMs = 5, MessageTimeoutMs = 20_000, TopicMetadataPropagationMaxMs = 2_000 }).Build();

    private IConsumer<string, string?> Consumer(string? group = null) => new ConsumerBuilder<string, string?>(
        new ConsumerConfig { BootstrapServers = broker.Address, GroupId = group ?? $"group-{Guid.NewGuid():n}", AutoOffsetReset = AutoOffsetReset.Earliest, EnableAutoCommit = false, CheckCrcs = true }).Build();
}
