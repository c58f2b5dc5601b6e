using System.Buffers.Binary;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Groups;

/// <summary>A topic's partition. By the topic's id, so that a topic made anew under an old name starts without offsets.</summary>
internal readonly record struct TopicPartition(Guid Topic, int Partition);

/// <summary>What a consumer has committed.</summary>
internal readonly record struct CommittedOffset(long Offset, int LeaderEpoch, string? Metadata);

/// <summary>
/// The committed offsets of all groups: in memory, and in one file that grows by a record a commit and is rewritten when
/// it has become long. A record is its length, its CRC-32C and its content (little-endian), so that a torn one shows.
/// </summary>
internal sealed class OffsetStore : IDisposable
{
    public const string FileName = "group-offsets";
    private const int RecordHeaderSize = 8;
    private const int CompactAtLeast = 1 << 20;
    private const byte Committed = 1;
    private const byte GroupDeleted = 2;

    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly Dictionary<string, Dictionary<TopicPartition, CommittedOffset>> _groups = [];
    private AppendOnlyFile _file;
    private int _compactAt;

    private OffsetStore(string path, AppendOnlyFile file) => (_path, _file) = (path, file);

    /// <exception cref="LogDamagedException">Acknowledged commits are damaged.</exception>
    public static OffsetStore Open(string folder, Predicate<Guid> topicExists, KafkaLog log)
    {
        var path = Path.Combine(folder, FileName);
        var store = new OffsetStore(path, AppendOnlyFile.Open(path, FileMode.OpenOrCreate));
        try
        {
            store.Replay(File.ReadAllBytes(path), log);
        }
        catch
        {
            store.Dispose();
            throw;
        }
        foreach (var group in store._groups.Keys)
        {
            store.Forget(group, p => !topicExists(p.Topic));
        }
        store._compactAt = Math.Max(CompactAtLeast, store._file.Length);
        return store;
    }

    public IReadOnlyList<string> Groups()
    {
        lock (_lock)
        {
            return [.. _groups.Keys];
        }
    }

    /// <summary>All that the group has committed; empty for an unknown group.</summary>
    public IReadOnlyDictionary<TopicPartition, CommittedOffset> Of(string group)
    {
        lock (_lock)
        {
            return _groups.TryGetValue(group, out var offsets) ? new Dictionary<TopicPartition, CommittedOffset>(offsets) : [];
        }
    }

    /// <summary>Keeps the offsets, all or none.</summary>
    /// <exception cref="IOException">They could not be written.</exception>
    public void Commit(string group, IReadOnlyCollection<KeyValuePair<TopicPartition, CommittedOffset>> offsets)
    {
        lock (_lock)
        {
            _file.Append(Record(CommitContent(group, offsets)));
            Apply(group, offsets);
            CompactIfDue();
        }
    }

    /// <summary>False when the group has no offsets.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public bool Delete(string group)
    {
        lock (_lock)
        {
            if (!_groups.ContainsKey(group))
            {
                return false;
            }
            _file.Append(Record(writer =>
            {
                writer.Write(GroupDeleted);
                writer.Write(group);
            }));
            return _groups.Remove(group);
        }
    }

    /// <summary>Drops what was committed for a topic that is gone. Its id never comes again, so nothing needs to be written.</summary>
    public void TopicDeleted(Guid topic)
    {
        lock (_lock)
        {
            foreach (var group in _groups.Keys)
            {
                Forget(group, p => p.Topic == topic);
            }
        }
    }

    public void Dispose() => _file.Dispose();

    private void Forget(string group, Predicate<TopicPartition> isGone)
    {
        var offsets = _groups[group];
        foreach (var partition in offsets.Keys)
        {
            if (isGone(partition))
            {
                offsets.Remove(partition);
            }
        }
        if (offsets.Count == 0)
        {
            _groups.Remove(group);
        }
    }

    private void Apply(string group, IEnumerable<KeyValuePair<TopicPartition, CommittedOffset>> offsets)
    {
        if (!_groups.TryGetValue(group, out var known))
        {
            _groups.Add(group, known = []);
        }
        foreach (var (partition, offset) in offsets)
        {
            known[partition] = offset;
        }
    }

    private void CompactIfDue()
    {
        if (_file.Length < _compactAt)
        {
            return;
        }
        var beside = _path + ".new";
        using (var compacted = File.Create(beside))
        {
            foreach (var (group, offsets) in _groups)
            {
                compacted.Write(Record(CommitContent(group, offsets)));
            }
        }
        File.Move(beside, _path, overwrite: true);
        _file.Dispose();
        _file = AppendOnlyFile.Open(_path, FileMode.Open);
        _compactAt = Math.Max(CompactAtLeast, 4 * _file.Length);
    }

    private void Replay(byte[] bytes, KafkaLog log)
    {
        var at = 0;
        while (TryContent(bytes, at, out var content))
        {
            Replay(content);
            at += RecordHeaderSize + content.Length;
        }
        if (at == bytes.Length)
        {
            return;
        }
        for (var behind = at + 1; behind < bytes.Length; behind++)
        {
            if (TryContent(bytes, behind, out _))
            {
                throw LogDamagedException.At(_path, at);
            }
        }
        _file.CutTo(at);
        log.OffsetsTailCut(bytes.Length - at, _path);
    }

    private void Replay(ReadOnlySpan<byte> content)
    {
        using var reader = new BinaryReader(new MemoryStream(content.ToArray()));
        var kind = reader.ReadByte();
        var group = reader.ReadString();
        if (kind == GroupDeleted)
        {
            _groups.Remove(group);
            return;
        }
        var offsets = new Dictionary<TopicPartition, CommittedOffset>();
        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            var partition = new TopicPartition(new Guid(reader.ReadBytes(16), bigEndian: true), reader.ReadInt32());
            offsets[partition] = new CommittedOffset(reader.ReadInt64(), reader.ReadInt32(), reader.ReadBoolean() ? reader.ReadString() : null);
        }
        Apply(group, offsets);
    }

    private static bool TryContent(ReadOnlySpan<byte> bytes, int at, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (bytes.Length - at < RecordHeaderSize)
        {
            return false;
        }
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes[at..]);
        if (length < 1 || length > bytes.Length - at - RecordHeaderSize)
        {
            return false;
        }
        content = bytes.Slice(at + RecordHeaderSize, length);
        return Crc32C.Of(content) == BinaryPrimitives.ReadUInt32LittleEndian(bytes[(at + 4)..]);
    }

    private static Action<BinaryWriter> CommitContent(string group, IReadOnlyCollection<KeyValuePair<TopicPartition, CommittedOffset>> offsets) => writer =>
    {
        writer.Write(Committed);
        writer.Write(group);
        writer.Write(offsets.Count);
        foreach (var (partition, offset) in offsets)
        {
            writer.Write(partition.Topic.ToByteArray(bigEndian: true));
            writer.Write(partition.Partition);
            writer.Write(offset.Offset);
            writer.Write(offset.LeaderEpoch);
            writer.Write(offset.Metadata is not null);
            if (offset.Metadata is not null)
            {
                writer.Write(offset.Metadata);
            }
        }
    };

    private static byte[] Record(Action<BinaryWriter> content)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(0L);
        content(writer);
        writer.Flush();
        var record = stream.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(record, record.Length - RecordHeaderSize);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Crc32C.Of(record.AsSpan(RecordHeaderSize)));
        return record;
    }
}
