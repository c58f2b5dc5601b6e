using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class OffsetStoreTests : IDisposable
{
    private static readonly Guid Topic = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff");

    private readonly TemporaryFolder _folder = new();
    private readonly LogLines _lines = new();
    private OffsetStore _store;

    public OffsetStoreTests() => _store = Open();

    private string StorePath => Path.Combine(_folder.Path, OffsetStore.FileName);

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Commits_and_deletions_are_there_after_any_end()
    {
        Commit("a", 1, 10);
        Commit("a", 1, 11, "note");
        Commit("a", 2, 20);
        Commit("b", 1, 30);
        _store.Delete("b").ShouldBeTrue();
        _store.Delete("b").ShouldBeFalse();

        Reopen();

        _store.Groups().ShouldBe(["a"]);
        _store.Of("a").ShouldBe(new Dictionary<TopicPartition, CommittedOffset>
        {
            [new TopicPartition(Topic, 1)] = new(11, 0, "note"),
            [new TopicPartition(Topic, 2)] = new(20, 0, null),
        });
    }

    [Fact]
    public void A_torn_commit_is_cut_at_every_byte()
    {
        Commit("a", 1, 10);
        var good = new FileInfo(StorePath).Length;
        Commit("a", 1, 11);
        _store.Dispose();
        var whole = File.ReadAllBytes(StorePath);
        for (var length = good + 1; length < whole.Length; length++)
        {
            File.WriteAllBytes(StorePath, whole[..(int)length]);
            Reopen();
            _store.Of("a").Values.Single().Offset.ShouldBe(10);
            new FileInfo(StorePath).Length.ShouldBe(good);
        }
        _lines.All.ShouldContain("never acknowledged, are cut off");
        Commit("a", 1, 12);
        Reopen();
        _store.Of("a").Values.Single().Offset.ShouldBe(12);
    }

    [Fact]
    public void Damage_before_good_commits_stops_the_start_with_the_mend()
    {
        Commit("a", 1, 10);
        Commit("a", 1, 11);
        _store.Dispose();
        var bytes = File.ReadAllBytes(StorePath);
        bytes[12] ^= 1;
        File.WriteAllBytes(StorePath, bytes);

        Should.Throw<LogDamagedException>(() => Open()).Message.ShouldContain($"{StorePath} is damaged at byte 0");
        File.ReadAllBytes(StorePath).ShouldBe(bytes);
    }

    [Fact]
    public void The_file_stays_short_however_often_is_committed()
    {
        var metadata = new string('m', 1000);
        for (var i = 0; i < 10_000; i++)
        {
            Commit("a", i % 3, i, metadata);
        }

        new FileInfo(StorePath).Length.ShouldBeLessThan(2 << 20);
        Reopen();
        _store.Of("a").Values.Select(o => o.Offset).Order().ShouldBe([9997, 9998, 9999]);
    }

    [Fact]
    public void Offsets_of_a_topic_that_is_gone_are_gone_with_it()
    {
        Commit("a", 1, 10);
        _store.TopicDeleted(Topic);
        _store.Groups().ShouldBeEmpty();

        _store.Dispose();
        _store = OffsetStore.Open(_folder.Path, _ => false, _lines.Log);
        _store.Groups().ShouldBeEmpty();
    }

    private void Commit(string group, int partition, long offset, string? metadata = null) =>
        _store.Commit(group, [KeyValuePair.Create(new TopicPartition(Topic, partition), new CommittedOffset(offset, 0, metadata))]);

    private void Reopen()
    {
        _store.Dispose();
        _store = Open();
    }

    private OffsetStore Open() => OffsetStore.Open(_folder.Path, _ => true, _lines.Log);
}
