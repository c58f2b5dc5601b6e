namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>
/// What lets a start skip the log that is known to be good: everything before <paramref name="Position"/> in the segment
/// was checked when it was appended, and <paramref name="Producers"/> is the state of the producers there.
/// </summary>
internal sealed record LogCheckpoint(long SegmentBaseOffset, int Position, long NextOffset, ProducerStates Producers)
{
    public const string FileName = "checkpoint";
    private const uint Magic = 0x4B43504B; // "KPCK" in the file

    public byte[] ToBytes()
    {
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content);
        writer.Write(Magic);
        writer.Write(SegmentBaseOffset);
        writer.Write(Position);
        writer.Write(NextOffset);
        Producers.Write(writer);
        writer.Flush();
        return SealedFile.Seal(content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    /// <summary>Null when the bytes are not a whole checkpoint: the log is then read from its start.</summary>
    public static LogCheckpoint? FromBytes(ReadOnlySpan<byte> bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(SealedFile.Unseal(bytes).ToArray()));
        return reader.BaseStream.Length >= 28 && reader.ReadUInt32() == Magic
            ? new LogCheckpoint(reader.ReadInt64(), reader.ReadInt32(), reader.ReadInt64(), ProducerStates.Read(reader))
            : null;
    }
}
