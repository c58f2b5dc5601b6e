using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace OrderPlatform.Engines.Kafka.Protocol;

/// <summary>Writes the protocol's primitive types into a pooled buffer; the counterpart of <see cref="ProtocolReader"/>.</summary>
internal sealed class ProtocolWriter : IDisposable
{
    private const int StartSize = 1024;

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(StartSize);

    public bool Flexible { get; set; }

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Reset() => (Length, Flexible) = (0, false);

    public void Bool(bool value) => Take(1)[0] = value ? (byte)1 : (byte)0;
    public void Int8(sbyte value) => Take(1)[0] = (byte)value;
    public void Int16(short value) => BinaryPrimitives.WriteInt16BigEndian(Take(2), value);
    public void Int32(int value) => BinaryPrimitives.WriteInt32BigEndian(Take(4), value);
    public void Int64(long value) => BinaryPrimitives.WriteInt64BigEndian(Take(8), value);
    public void Error(ErrorCode value) => Int16((short)value);
    public void Uuid(Guid value) => value.TryWriteBytes(Take(16), bigEndian: true, out _);

    public void String(string? value)
    {
        if (value is null)
        {
            StringLength(-1);
            return;
        }
        var length = Encoding.UTF8.GetByteCount(value);
        StringLength(length);
        Encoding.UTF8.GetBytes(value, Take(length));
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        BytesLength(value.Length);
        value.CopyTo(Take(value.Length));
    }

    /// <summary>The length of bytes that do not come from here, such as record batches out of a file.</summary>
    public void BytesLength(int length) => ArrayLength(length);

    /// <summary>-1 is null.</summary>
    public void ArrayLength(int length)
    {
        if (Flexible)
        {
            UnsignedVarInt((uint)(length + 1));
        }
        else
        {
            Int32(length);
        }
    }

    public void Array<T>(IReadOnlyCollection<T> elements, Action<ProtocolWriter, T> write)
    {
        ArrayLength(elements.Count);
        foreach (var element in elements)
        {
            write(this, element);
        }
    }

    /// <summary>Ends a structure: no response here has a tagged field.</summary>
    public void Tags()
    {
        if (Flexible)
        {
            UnsignedVarInt(0);
        }
    }

    /// <summary>Fills in a number that was not known when its place was written.</summary>
    public void PatchInt32(int at, int value) => BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(at), value);

    public void Dispose() => ArrayPool<byte>.Shared.Return(_bytes);

    private void StringLength(int length)
    {
        if (Flexible)
        {
            UnsignedVarInt((uint)(length + 1));
        }
        else
        {
            Int16((short)length);
        }
    }

    private void UnsignedVarInt(uint value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            Take(1)[0] = (byte)(value | 0x80);
        }
        Take(1)[0] = (byte)value;
    }

    private Span<byte> Take(int count)
    {
        if (Length + count > _bytes.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + count, 2 * _bytes.Length));
            Written.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }
        Length += count;
        return _bytes.AsSpan(Length - count, count);
    }
}
