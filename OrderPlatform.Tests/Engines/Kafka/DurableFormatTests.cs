using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>The formats on disk are frozen: data of an older broker must be read by a newer one.</summary>
public sealed class DurableFormatTests
{
    [Fact]
    public void The_checksum_is_Castagnolis()
    {
        // RFC 3720, B.4
        Crc32C.Of(new byte[32]).ShouldBe(0x8A9136AAu);
        Crc32C.Of("123456789"u8).ShouldBe(0xE3069283u);
    }

    [Fact]
    public void Index_file()
    {
        const string Frozen = "4B49445800000000000003E800009C40000000020000000000000005000000008000000000000000000000000000000900004E2000000000000003E8E414DAA1";
        var index = new OffsetIndex();
        index.Add(5, 0, 1_000);
        index.Add(9, 20_000, 900);

        Convert.ToHexString(index.ToBytes(40_000)).ShouldBe(Frozen);
        var read = OffsetIndex.FromBytes(Convert.FromHexString(Frozen), 40_000)!;
        (read.Count, read.MaxTimestamp, read.PositionBefore(9), read.PositionBefore(8), read.PositionBeforeTimestamp(1_000)).ShouldBe((2, 1_000, 20_000, 0, 0));
        OffsetIndex.FromBytes(Convert.FromHexString(Frozen), 40_001).ShouldBeNull();
    }

    [Fact]
    public void Checkpoint_file()
    {
        const string Frozen = "4B50434B6400000000000000D007000096000000000000000100000007000000000000000100E8030000000000000104000000060000000000000000000000685BCD11";
        var producers = new ProducerStates();
        producers.Appended(RecordBatchHeader.Read(new TestBatch { Records = 3, ProducerId = 7, Epoch = 1, Sequence = 4 }.ToBytes()), now: 1_000);
        var checkpoint = new LogCheckpoint(100, 2_000, 150, producers);

        Convert.ToHexString(checkpoint.ToBytes()).ShouldBe(Frozen);
        var read = LogCheckpoint.FromBytes(Convert.FromHexString(Frozen))!;
        (read.SegmentBaseOffset, read.Position, read.NextOffset, read.Producers.Count).ShouldBe((100, 2_000, 150, 1));
        LogCheckpoint.FromBytes(Convert.FromHexString(Frozen[..^2])).ShouldBeNull();
    }

    [Fact]
    public void Group_offsets_file()
    {
        const string Frozen = "31000000CBEC362A010567726F75700100000000112233445566778899AABBCCDDEEFF030000002A000000000000000000000001046E6F746507000000BE3F9B61020567726F75702C000000815A1C0901056F746865720100000000112233445566778899AABBCCDDEEFF010000000100000000000000FFFFFFFF00";
        using var folder = new TemporaryFolder();
        var topic = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff");
        using (var store = OffsetStore.Open(folder.Path, _ => true, new LogLines().Log))
        {
            store.Commit("group", [KeyValuePair.Create(new TopicPartition(topic, 3), new CommittedOffset(42, 0, "note"))]);
            store.Delete("group");
            store.Commit("other", [KeyValuePair.Create(new TopicPartition(topic, 1), new CommittedOffset(1, -1, null))]);
        }
        Convert.ToHexString(File.ReadAllBytes(Path.Combine(folder.Path, OffsetStore.FileName))).ShouldBe(Frozen);
    }

    [Fact]
    public void Producer_id_file_and_ids_that_never_come_again()
    {
        const string Frozen = "E8030000000000005517FBC7";
        using var folder = new TemporaryFolder();
        var first = new ProducerIds(folder.Path);
        first.Next().ShouldBe(0);
        first.Next().ShouldBe(1);
        Convert.ToHexString(File.ReadAllBytes(Path.Combine(folder.Path, ProducerIds.FileName))).ShouldBe(Frozen);

        new ProducerIds(folder.Path).Next().ShouldBe(1000);
    }

    [Fact]
    public void Topics_are_found_again_with_all_their_settings_and_half_made_ones_are_not()
    {
        using var folder = new TemporaryFolder();
        var log = new LogLines().Log;
        var topics = TopicCatalog.Open(folder.Path, TimeProvider.System, log);
        var orders = topics.Create("orders", 3, new Dictionary<string, string?> { ["retention.ms"] = "1000" }, validateOnly: false)!;
        var gone = topics.Create("gone", 1, new Dictionary<string, string?>(), validateOnly: false)!;
        topics.Delete(gone).ShouldBeTrue();
        topics.Delete(gone).ShouldBeFalse();
        topics.Close();
        Directory.CreateDirectory(Path.Combine(folder.Path, "half@00.new", "0"));
        Directory.CreateDirectory(Path.Combine(folder.Path, "half@01.deleted", "0"));

        topics = TopicCatalog.Open(folder.Path, TimeProvider.System, log);

        var found = topics.All.ShouldHaveSingleItem();
        (found.Name, found.Id, found.Partitions.Count, found.Config.RetentionMs).ShouldBe(("orders", orders.Id, 3, 1000));
        Directory.GetDirectories(folder.Path).Length.ShouldBe(1);
        topics.Close();
        File.ReadAllText(Path.Combine(orders.Folder, "topic.json")).ReplaceLineEndings("").Replace(" ", "").Replace($"{orders.Id}", "ID")
            .ShouldBe("""{"format":1,"name":"orders","id":"ID","partitions":3,"configs":{"retention.ms":"1000"}}""");
    }
}
