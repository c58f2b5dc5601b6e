using System.IO.Compression;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>
/// Looks into one batch for the record that a timestamp search wants. Records that are compressed by gzip or not at all
/// are read; behind snappy, lz4 and zstd the answer is the batch's first record, at or before the one wanted, so that a
/// consumer that seeks there misses nothing.
/// </summary>
internal static class RecordTimestamps
{
    /// <param name="header">Of a batch whose newest timestamp is at or after the wanted one.</param>
    public static (long Offset, long Timestamp) FirstAtOrAfter(long timestamp, in RecordBatchHeader header, ReadOnlySpan<byte> batch)
    {
        var records = batch[RecordBatchHeader.Size..];
        try
        {
            return header.Codec switch
            {
                0 => Find(timestamp, header, new MemoryStream(records.ToArray())),
                1 => Find(timestamp, header, new BufferedStream(new GZipStream(new MemoryStream(records.ToArray()), CompressionMode.Decompress))),
                _ => null,
            } ?? (header.BaseOffset, header.BaseTimestamp);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            // the client's records are not what its header says: its consumers will say so
            return (header.BaseOffset, header.BaseTimestamp);
        }
    }

    // a record: length, attributes, timestamp delta, offset delta, key, value, headers (https://kafka.apache.org/documentation/#record)
    private static (long, long)? Find(long timestamp, in RecordBatchHeader header, Stream records)
    {
        using var reader = new BinaryReader(records);
        var skip = new byte[4096];
        for (var i = 0; i < header.RecordCount; i++)
        {
            var length = ReadVarInt(reader, out _);
            reader.ReadByte();
            var at = header.BaseTimestamp + ReadVarInt(reader, out var timestampSize);
            var offsetDelta = ReadVarInt(reader, out var offsetSize);
            if (at >= timestamp && offsetDelta >= 0 && offsetDelta <= header.LastOffsetDelta)
            {
                return (header.BaseOffset + offsetDelta, at);
            }
            for (var left = length - 1 - timestampSize - offsetSize; left > 0;)
            {
                var read = reader.Read(skip, 0, (int)Math.Min(left, skip.Length));
                left = read > 0 ? left - read : throw new EndOfStreamException();
            }
        }
        return null;
    }

    private static long ReadVarInt(BinaryReader reader, out int size)
    {
        ulong value = 0;
        size = 0;
        byte b;
        do
        {
            b = reader.ReadByte();
            value |= (ulong)(b & 0x7f) << (7 * size++);
        }
        while ((b & 0x80) != 0 && size < 10);
        return (long)(value >> 1) ^ -(long)(value & 1);
    }
}
