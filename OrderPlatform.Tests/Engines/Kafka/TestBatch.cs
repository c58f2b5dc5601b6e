using System.Buffers.Binary;
using System.Text;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>Builds record batches of magic 2 as a producer would, and wrong ones as none should.</summary>
internal sealed record TestBatch
{
    public int Records { get; init; } = 1;
    public int ValueSize { get; init; } = 10;
    public long Timestamp { get; init; } = 1_000;
    public long ProducerId { get; init; } = -1;
    public short Epoch { get; init; } = -1;
    public int Sequence { get; init; } = -1;
    public short Attributes { get; init; }
    public byte Magic { get; init; } = 2;

    /// <summary>What the header claims, where it is not the truth.</summary>
    public int? ClaimedRecords { get; init; }

    public int? ClaimedLastOffsetDelta { get; init; }

    /// <summary>Each record is a millisecond newer than the one before.</summary>
    public byte[] ToBytes()
    {
        using var records = new MemoryStream();
        for (var i = 0; i < Records; i++)
        {
            var value = Encoding.ASCII.GetBytes($"{i}".PadRight(ValueSize, 'x'));
            using var record = new MemoryStream();
            record.WriteByte(0);
            VarInt(record, i);
            VarInt(record, i);
            VarInt(record, -1);
            VarInt(record, value.Length);
            record.Write(value);
            VarInt(record, 0);
            VarInt(records, record.Length);
            records.Write(record.ToArray());
        }

        var bytes = new byte[RecordBatchHeader.Size + records.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(8), bytes.Length - RecordBatchHeader.LengthEnd);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), -1);
        bytes[16] = Magic;
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(21), Attributes);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(23), ClaimedLastOffsetDelta ?? ((ClaimedRecords ?? Records) - 1));
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(27), Timestamp);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(35), Timestamp + Records - 1);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(43), ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(51), Epoch);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(53), Sequence);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(57), ClaimedRecords ?? Records);
        records.ToArray().CopyTo(bytes, RecordBatchHeader.Size);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(17), Crc32C.Of(bytes.AsSpan(21)));
        return bytes;
    }

    private static void VarInt(Stream to, long value)
    {
        var zigzag = (ulong)((value << 1) ^ (value >> 63));
        for (; zigzag >= 0x80; zigzag >>= 7)
        {
            to.WriteByte((byte)(zigzag | 0x80));
        }
        to.WriteByte((byte)zigzag);
    }
}
