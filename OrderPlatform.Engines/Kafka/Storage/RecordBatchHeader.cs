using System.Buffers.Binary;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>
/// The fixed start of a record batch, magic 2 (https://kafka.apache.org/documentation/#recordbatch). The broker reads
/// nothing behind it: keys, values, headers and their compression are the clients' own.
/// </summary>
/// <param name="Length">Bytes of the whole batch, this header included.</param>
internal readonly record struct RecordBatchHeader(
    long BaseOffset,
    int Length,
    byte Magic,
    uint Crc,
    short Attributes,
    int LastOffsetDelta,
    long BaseTimestamp,
    long MaxTimestamp,
    long ProducerId,
    short ProducerEpoch,
    int BaseSequence,
    int RecordCount)
{
    public const int Size = 61;

    /// <summary>Bytes before the batch's length counts: base offset and the length itself.</summary>
    public const int LengthEnd = 12;

    private const int LeaderEpochAt = 12;
    private const int MagicAt = 16;
    private const int CrcAt = 17;
    private const int CrcStartsAt = 21;

    public long NextOffset => BaseOffset + LastOffsetDelta + 1;
    public int Codec => Attributes & 0x07;
    public bool IsTransactional => (Attributes & 0x10) != 0;
    public bool IsControl => (Attributes & 0x20) != 0;
    public bool IsIdempotent => ProducerId >= 0;

    /// <summary>Sequences are 31-bit and wrap to 0.</summary>
    public int LastSequence => (int)(((long)BaseSequence + LastOffsetDelta) & int.MaxValue);

    /// <param name="bytes">At least <see cref="Size"/> bytes.</param>
    public static RecordBatchHeader Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt64BigEndian(bytes),
        // a length that would overflow is negative here, which no caller accepts
        unchecked(BinaryPrimitives.ReadInt32BigEndian(bytes[8..]) + LengthEnd),
        bytes[MagicAt],
        BinaryPrimitives.ReadUInt32BigEndian(bytes[CrcAt..]),
        BinaryPrimitives.ReadInt16BigEndian(bytes[CrcStartsAt..]),
        BinaryPrimitives.ReadInt32BigEndian(bytes[23..]),
        BinaryPrimitives.ReadInt64BigEndian(bytes[27..]),
        BinaryPrimitives.ReadInt64BigEndian(bytes[35..]),
        BinaryPrimitives.ReadInt64BigEndian(bytes[43..]),
        BinaryPrimitives.ReadInt16BigEndian(bytes[51..]),
        BinaryPrimitives.ReadInt32BigEndian(bytes[53..]),
        BinaryPrimitives.ReadInt32BigEndian(bytes[57..]));

    /// <summary>The magic of records of any age: all formats have it at the same place.</summary>
    public static byte? MagicOf(ReadOnlySpan<byte> records) => records.Length > MagicAt ? records[MagicAt] : null;

    public static bool HasValidCrc(ReadOnlySpan<byte> batch) =>
        Crc32C.Of(batch[CrcStartsAt..]) == BinaryPrimitives.ReadUInt32BigEndian(batch[CrcAt..]);

    /// <summary>Gives the batch its place in the log. Neither field is under the CRC, so that a broker may do just this.</summary>
    public static void Patch(Span<byte> batch, long baseOffset)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, baseOffset);
        BinaryPrimitives.WriteInt32BigEndian(batch[LeaderEpochAt..], 0);
    }

    /// <summary>
    /// Why a producer's bytes cannot be stored, or null: they must be exactly one whole batch whose counts agree, so that
    /// nothing a client sends can shift the offset of another record.
    /// </summary>
    public static ErrorCode Validate(ReadOnlySpan<byte> records, int bytesMax, out RecordBatchHeader header)
    {
        header = default;
        if (MagicOf(records) is 0 or 1)
        {
            return ErrorCode.UnsupportedForMessageFormat;
        }
        if (records.Length < Size)
        {
            return ErrorCode.CorruptMessage;
        }
        header = Read(records);
        // a second batch behind the first is a fault of the client (KIP-98), a cut one a fault of the transport
        return header switch
        {
            { Magic: not 2 } => ErrorCode.CorruptMessage,
            _ when header.Length < Size || header.Length > records.Length => ErrorCode.CorruptMessage,
            _ when header.Length < records.Length => ErrorCode.InvalidRecord,
            _ when header.Length > bytesMax => ErrorCode.MessageTooLarge,
            _ when !HasValidCrc(records) => ErrorCode.CorruptMessage,
            { Codec: > 4 } => ErrorCode.UnsupportedCompressionType,
            { IsTransactional: true } => ErrorCode.InvalidTxnState,
            { IsControl: true } or { RecordCount: < 1 } => ErrorCode.InvalidRecord,
            _ when header.LastOffsetDelta != header.RecordCount - 1 => ErrorCode.InvalidRecord,
            { IsIdempotent: true, BaseSequence: < 0 } or { IsIdempotent: true, ProducerEpoch: < 0 } => ErrorCode.InvalidRecord,
            _ => ErrorCode.None,
        };
    }
}
