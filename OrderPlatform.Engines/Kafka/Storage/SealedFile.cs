using System.Buffers.Binary;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>Small files that are replaced whole: written beside the old one and renamed over it, closed by a CRC-32C.</summary>
internal static class SealedFile
{
    private const int CrcSize = 4;

    public static byte[] Seal(ReadOnlySpan<byte> content)
    {
        var bytes = new byte[content.Length + CrcSize];
        content.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(content.Length), Crc32C.Of(content));
        return bytes;
    }

    /// <summary>The content, or nothing when it is broken.</summary>
    public static ReadOnlySpan<byte> Unseal(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= CrcSize && Crc32C.Of(bytes[..^CrcSize]) == BinaryPrimitives.ReadUInt32BigEndian(bytes[^CrcSize..]) ? bytes[..^CrcSize] : default;

    public static void Replace(string path, ReadOnlySpan<byte> bytes)
    {
        var beside = path + ".new";
        try
        {
            File.WriteAllBytes(beside, bytes);
            File.Move(beside, path, overwrite: true);
        }
        catch (IOException)
        {
            File.Delete(beside);
            throw;
        }
    }

    public static byte[]? TryRead(string path) => File.Exists(path) ? File.ReadAllBytes(path) : null;
}
