using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A batch's place in its segment, and the newest timestamp of all batches before it there.</summary>
internal readonly record struct IndexEntry(long Offset, int Position, long MaxTimestampBefore);

/// <summary>
/// A segment's sparse index: an entry about every 16 KB, so that any offset or timestamp is one read away. It lives in
/// memory (3 MB for 2 GB of log) and is written whole beside the segment; a missing or broken file is rebuilt by a scan.
/// </summary>
internal sealed class OffsetIndex
{
    private const int BytesBetweenEntries = 16 * 1024;
    private const int EntrySize = 20;
    private const uint Magic = 0x4B494458; // "KIDX"

    private readonly List<IndexEntry> _entries = [];

    public int Count => _entries.Count;

    /// <summary>The newest timestamp of the whole segment, in Unix milliseconds.</summary>
    public long MaxTimestamp { get; private set; } = long.MinValue;

    public void Add(long offset, int position, long maxTimestamp)
    {
        if (_entries.Count == 0 || position - _entries[^1].Position >= BytesBetweenEntries)
        {
            _entries.Add(new IndexEntry(offset, position, MaxTimestamp));
        }
        MaxTimestamp = Math.Max(MaxTimestamp, maxTimestamp);
    }

    /// <summary>The position of the last indexed batch that starts at or before the offset; 0 when there is none.</summary>
    public int PositionBefore(long offset) => Floor(offset, static (e, wanted) => e.Offset <= wanted) is { } e ? e.Position : 0;

    /// <summary>A position from which a scan meets the first batch with a timestamp at or after the wanted one.</summary>
    public int PositionBeforeTimestamp(long timestamp) => Floor(timestamp, static (e, wanted) => e.MaxTimestampBefore < wanted) is { } e ? e.Position : 0;

    /// <summary>The last batch border at or before the position that the index knows; 0 when there is none.</summary>
    public int BorderBefore(long position) => Floor(position, static (e, wanted) => e.Position <= wanted) is { } e ? e.Position : 0;

    /// <summary>The bytes of the index file: magic, newest timestamp, the log's length they speak for, entries, CRC.</summary>
    public byte[] ToBytes(int logLength)
    {
        var bytes = new byte[20 + (_entries.Count * EntrySize)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(4), MaxTimestamp);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), logLength);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(16), _entries.Count);
        var at = bytes.AsSpan(20);
        foreach (var (offset, position, before) in CollectionsMarshal.AsSpan(_entries))
        {
            BinaryPrimitives.WriteInt64BigEndian(at, offset);
            BinaryPrimitives.WriteInt32BigEndian(at[8..], position);
            BinaryPrimitives.WriteInt64BigEndian(at[12..], before);
            at = at[EntrySize..];
        }
        return SealedFile.Seal(bytes);
    }

    /// <summary>Null unless the bytes are whole and speak for a log of just this length.</summary>
    public static OffsetIndex? FromBytes(ReadOnlySpan<byte> sealedBytes, int logLength)
    {
        var bytes = SealedFile.Unseal(sealedBytes);
        if (bytes.Length < 20
            || BinaryPrimitives.ReadUInt32BigEndian(bytes) != Magic
            || BinaryPrimitives.ReadInt32BigEndian(bytes[12..]) != logLength
            || bytes.Length != 20 + ((long)BinaryPrimitives.ReadInt32BigEndian(bytes[16..]) * EntrySize))
        {
            return null;
        }
        var index = new OffsetIndex { MaxTimestamp = BinaryPrimitives.ReadInt64BigEndian(bytes[4..]) };
        for (var at = bytes[20..]; at.Length > 0; at = at[EntrySize..])
        {
            index._entries.Add(new IndexEntry(
                BinaryPrimitives.ReadInt64BigEndian(at), BinaryPrimitives.ReadInt32BigEndian(at[8..]), BinaryPrimitives.ReadInt64BigEndian(at[12..])));
        }
        return index;
    }

    // all three columns rise, so the last entry that meets the condition is found by halving
    private IndexEntry? Floor(long wanted, Func<IndexEntry, long, bool> meets)
    {
        var (low, high) = (0, _entries.Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (meets(_entries[middle], wanted))
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low == 0 ? null : _entries[low - 1];
    }
}
