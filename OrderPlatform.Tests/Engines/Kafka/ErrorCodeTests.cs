using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Requests;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>Every mistake has its own code on the wire, and the connection lives on.</summary>
public sealed class ErrorCodeTests(KafkaFixture broker) : IClassFixture<KafkaFixture>
{
    [Theory]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(11)]
    public async Task Each_mistake_of_a_producer(short version)
    {
        var topic = await broker.NewTopicAsync();
        await using var client = await RawClient.ConnectAsync(broker.Port);
        async Task<ErrorCode> Error(byte[] records, string? name = null, int partition = 0, short acks = -1, string? transactionalId = null) =>
            ProducedError(await client.AskAsync(ApiKey.Produce, version, w => Produce(w, transactionalId, acks, name ?? topic, partition, records)));
        var good = new TestBatch().ToBytes();

        (await Error(good)).ShouldBe(ErrorCode.None);
        (await Error(good, name: "unknown")).ShouldBe(ErrorCode.UnknownTopicOrPartition);
        (await Error(good, partition: 1)).ShouldBe(ErrorCode.UnknownTopicOrPartition);
        (await Error(good, partition: -1)).ShouldBe(ErrorCode.UnknownTopicOrPartition);
        (await Error(new TestBatch { ValueSize = 1_048_588 }.ToBytes())).ShouldBe(ErrorCode.MessageTooLarge);
        (await Error([.. good[..^1], 99])).ShouldBe(ErrorCode.CorruptMessage);
        (await Error([])).ShouldBe(ErrorCode.CorruptMessage);
        (await Error(new TestBatch { Magic = 1 }.ToBytes())).ShouldBe(ErrorCode.UnsupportedForMessageFormat);
        (await Error(new TestBatch { ClaimedRecords = 99, ClaimedLastOffsetDelta = 0 }.ToBytes())).ShouldBe(ErrorCode.InvalidRecord);
        (await Error(good, acks: 2)).ShouldBe(ErrorCode.InvalidRequiredAcks);
        (await Error(good, transactionalId: "tx")).ShouldBe(ErrorCode.TransactionalIdAuthorizationFailed);
        (await Error(new TestBatch { ProducerId = 9, Epoch = 1, Sequence = 0 }.ToBytes())).ShouldBe(ErrorCode.None);
        (await Error(new TestBatch { ProducerId = 9, Epoch = 1, Sequence = 5 }.ToBytes())).ShouldBe(ErrorCode.OutOfOrderSequenceNumber);
        (await Error(new TestBatch { ProducerId = 9, Epoch = 0, Sequence = 1 }.ToBytes())).ShouldBe(ErrorCode.InvalidProducerEpoch);
        (await Error(good)).ShouldBe(ErrorCode.None);
    }

    [Fact]
    public async Task A_produce_request_of_an_ancient_client_is_answered()
    {
        var topic = await broker.NewTopicAsync();
        await using var client = await RawClient.ConnectAsync(broker.Port);
        var answer = await client.AskAsync(ApiKey.Produce, 0, w =>
        {
            w.Int16(1);
            w.Int32(1000);
            w.ArrayLength(1);
            w.String(topic);
            w.ArrayLength(1);
            w.Int32(0);
            w.Bytes(new TestBatch { Magic = 0 }.ToBytes());
        });
        ProducedError(answer).ShouldBe(ErrorCode.UnsupportedForMessageFormat);
    }

    [Fact]
    public async Task A_produce_request_without_acknowledgement_has_no_answer_and_its_failure_ends_the_connection_with_a_reason()
    {
        var topic = await broker.NewTopicAsync();
        await using var client = await RawClient.ConnectAsync(broker.Port);
        await client.SendAsync(RawClient.Frame(ApiKey.Produce, 9, w => Produce(w, null, 0, topic, 0, new TestBatch().ToBytes())));
        // the next answer is that of the next request
        var versions = await client.AskAsync(ApiKey.ApiVersions, 0, _ => { });
        ((ErrorCode)versions.Int16()).ShouldBe(ErrorCode.None);

        await client.SendAsync(RawClient.Frame(ApiKey.Produce, 9, w => Produce(w, null, 0, "unknown", 0, new TestBatch().ToBytes())));
        (await client.IsDroppedAsync()).ShouldBeTrue();
        await broker.LogsAsync("UnknownTopicOrPartition for a produce request with acks=0");
    }

    [Fact]
    public async Task Unknown_version_of_ApiVersions_is_answered_in_version_0()
    {
        await using var client = await RawClient.ConnectAsync(broker.Port);
        var answer = await client.AskAsync(ApiKey.ApiVersions, 99, _ => { });

        ((ErrorCode)answer.Int16()).ShouldBe(ErrorCode.UnsupportedVersion);
        answer.Array(r => (Key: (ApiKey)r.Int16(), Min: r.Int16(), Max: r.Int16())).ShouldContain((ApiKey.ApiVersions, (short)0, (short)4));
        answer.Remaining.ShouldBe(0);
    }

    [Fact]
    public async Task Unknown_versions_and_kinds_end_the_connection_with_a_reason_in_the_log()
    {
        foreach (var (key, version, reason) in ((ApiKey, short, string)[])[(ApiKey.Fetch, 3, "Fetch version 3, where 4 to 17 are announced"), ((ApiKey)17, 1, "API 17 is none that this broker has")])
        {
            await using var client = await RawClient.ConnectAsync(broker.Port);
            await client.SendAsync(RawClient.Frame(key, version, w => w.Int64(0)));
            (await client.IsDroppedAsync()).ShouldBeTrue();
            await broker.LogsAsync(reason);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(17)]
    public async Task Each_mistake_of_a_consumer(short version)
    {
        var topic = await broker.NewTopicAsync();
        await using var client = await RawClient.ConnectAsync(broker.Port);
        var metadata = await client.AskAsync(ApiKey.Metadata, 12, w =>
        {
            w.Array([topic], (_, name) =>
            {
                w.Uuid(Guid.Empty);
                w.String(name);
                w.Tags();
            });
            w.Bool(false);
            w.Bool(false);
            w.Tags();
        });
        metadata.Int32();
        metadata.Array(r =>
        {
            var node = (r.Int32(), r.String(), r.Int32(), r.NullableString());
            r.Tags();
            return node;
        });
        metadata.String();
        metadata.Int32();
        metadata.ArrayLength();
        ((ErrorCode)metadata.Int16()).ShouldBe(ErrorCode.None);
        metadata.String().ShouldBe(topic);
        var id = metadata.Uuid();

        async Task<ErrorCode> Error(long offset, int epoch = -1, bool unknown = false) => FetchedError(version, await client.AskAsync(ApiKey.Fetch, version, w =>
            Fetch(w, version, waitMsMax: 0, unknown ? "unknown" : topic, unknown ? Guid.NewGuid() : id, offset, epoch)));
        (await Error(0)).ShouldBe(ErrorCode.None);
        (await Error(1)).ShouldBe(ErrorCode.OffsetOutOfRange);
        (await Error(0, unknown: true)).ShouldBe(version >= 13 ? ErrorCode.UnknownTopicId : ErrorCode.UnknownTopicOrPartition);
        if (version >= 9)
        {
            (await Error(0, epoch: 3)).ShouldBe(ErrorCode.UnknownLeaderEpoch);
        }
    }

    [Fact]
    public async Task A_fetch_that_finds_nothing_is_answered_when_its_wait_is_over()
    {
        var topic = await broker.NewTopicAsync();
        await using var client = await RawClient.ConnectAsync(broker.Port);
        for (var i = 0; i < 50; i++)
        {
            FetchedError(4, await client.AskAsync(ApiKey.Fetch, 4, w => Fetch(w, 4, waitMsMax: 1 + i, topic, Guid.Empty, 0, -1))).ShouldBe(ErrorCode.None);
        }
    }

    [Fact]
    public async Task Stale_generation_and_unknown_member()
    {
        await using var client = await RawClient.ConnectAsync(broker.Port);
        var group = $"group-{Guid.NewGuid():n}";
        var join = await client.AskAsync(ApiKey.JoinGroup, 2, w =>
        {
            w.String(group);
            w.Int32(10_000);
            w.Int32(10_000);
            w.String("");
            w.String("consumer");
            w.ArrayLength(1);
            w.String("range");
            w.Bytes([1, 2, 3]);
        });
        join.Int32();
        ((ErrorCode)join.Int16()).ShouldBe(ErrorCode.None);
        join.Int32().ShouldBe(1);
        (join.String(), join.String().Length > 0).ShouldBe(("range", true));
        var member = join.String();

        async Task<ErrorCode> Heartbeat(string id, int generation)
        {
            var answer = await client.AskAsync(ApiKey.Heartbeat, 4, w =>
            {
                w.String(group);
                w.Int32(generation);
                w.String(id);
                w.String(null);
                w.Tags();
            });
            answer.Int32();
            return (ErrorCode)answer.Int16();
        }
        (await Heartbeat(member, 1)).ShouldBe(ErrorCode.None);
        (await Heartbeat(member, 0)).ShouldBe(ErrorCode.IllegalGeneration);
        (await Heartbeat("nobody", 1)).ShouldBe(ErrorCode.UnknownMemberId);
    }

    private static void Produce(ProtocolWriter writer, string? transactionalId, short acks, string topic, int partition, byte[] records)
    {
        writer.String(transactionalId);
        writer.Int16(acks);
        writer.Int32(1000);
        writer.ArrayLength(1);
        writer.String(topic);
        writer.ArrayLength(1);
        writer.Int32(partition);
        writer.Bytes(records);
        writer.Tags();
        writer.Tags();
        writer.Tags();
    }

    private static ErrorCode ProducedError(ProtocolReader answer)
    {
        answer.ArrayLength().ShouldBe(1);
        answer.String();
        answer.ArrayLength().ShouldBe(1);
        answer.Int32();
        return (ErrorCode)answer.Int16();
    }

    private static void Fetch(ProtocolWriter writer, short version, int waitMsMax, string topic, Guid id, long offset, int epoch)
    {
        if (version <= 14)
        {
            writer.Int32(-1);
        }
        writer.Int32(waitMsMax);
        writer.Int32(1);
        writer.Int32(1 << 20);
        writer.Int8(0);
        if (version >= 7)
        {
            writer.Int32(0);
            writer.Int32(-1);
        }
        writer.ArrayLength(1);
        if (version <= 12)
        {
            writer.String(topic);
        }
        else
        {
            writer.Uuid(id);
        }
        writer.ArrayLength(1);
        writer.Int32(0);
        if (version >= 9)
        {
            writer.Int32(epoch);
        }
        writer.Int64(offset);
        if (version >= 12)
        {
            writer.Int32(-1);
        }
        if (version >= 5)
        {
            writer.Int64(-1);
        }
        writer.Int32(1 << 20);
        writer.Tags();
        writer.Tags();
        if (version >= 7)
        {
            writer.ArrayLength(0);
        }
        if (version >= 11)
        {
            writer.String("");
        }
        writer.Tags();
    }

    private static ErrorCode FetchedError(short version, ProtocolReader answer)
    {
        answer.Int32();
        if (version >= 7)
        {
            answer.Int16().ShouldBe((short)0);
            answer.Int32().ShouldBe(0);
        }
        answer.ArrayLength().ShouldBe(1);
        if (version <= 12)
        {
            answer.String();
        }
        else
        {
            answer.Uuid();
        }
        answer.ArrayLength().ShouldBe(1);
        answer.Int32().ShouldBe(0);
        return (ErrorCode)answer.Int16();
    }
}
