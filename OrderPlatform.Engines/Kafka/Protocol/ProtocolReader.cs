using System.Buffers.Binary;
using System.Text;

namespace OrderPlatform.Engines.Kafka.Protocol;

/// <summary>A request is not what its version says. The message names what was found, for the log.</summary>
internal sealed class MalformedRequestException(string message) : Exception(message);

/// <summary>
/// Reads the protocol's primitive types (https://kafka.apache.org/protocol#protocol_types) from one request. In a flexible
/// version strings, bytes and arrays are compact and every structure ends in tagged fields (KIP-482); the same calls read both.
/// </summary>
internal sealed class ProtocolReader
{
    private byte[] _bytes = [];
    private int _at;
    private int _end;

    public bool Flexible { get; set; }

    public int Remaining => _end - _at;

    public void Reset(byte[] bytes, int length) => (_bytes, _at, _end, Flexible) = (bytes, 0, length, false);

    public bool Bool() => Take(1)[0] != 0;
    public sbyte Int8() => (sbyte)Take(1)[0];
    public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));
    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));
    public long Int64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));
    public Guid Uuid() => new(Take(16), bigEndian: true);

    public string String() => NullableString() ?? throw new MalformedRequestException("a string that may not be null is null");

    public string? NullableString()
    {
        var length = Flexible ? CompactLength() : Int16();
        return length < 0 ? null : Encoding.UTF8.GetString(Take(length));
    }

    /// <summary>A string that is not compact in flexible versions either: the client id of the request header.</summary>
    public string? LegacyNullableString()
    {
        var length = Int16();
        return length < 0 ? null : Encoding.UTF8.GetString(Take(length));
    }

    /// <summary>Bytes of the request itself, valid until it has been answered; null is empty.</summary>
    public Memory<byte> Bytes()
    {
        var length = Math.Max(0, Flexible ? CompactLength() : Int32());
        Take(length);
        return _bytes.AsMemory(_at - length, length);
    }

    /// <summary>The number of elements, -1 for null. No more than bytes are left, since none is smaller than a byte.</summary>
    public int ArrayLength()
    {
        var length = Flexible ? CompactLength() : Int32();
        return length <= Remaining ? length : throw new MalformedRequestException($"an array of {length} elements in {Remaining} bytes");
    }

    public List<T> Array<T>(Func<ProtocolReader, T> element) => NullableArray(element) ?? [];

    public List<T>? NullableArray<T>(Func<ProtocolReader, T> element)
    {
        var length = ArrayLength();
        if (length < 0)
        {
            return null;
        }
        var list = new List<T>();
        for (var i = 0; i < length; i++)
        {
            list.Add(element(this));
        }
        return list;
    }

    /// <summary>Skips the tagged fields at the end of a structure: no request here needs one.</summary>
    public void Tags()
    {
        for (var count = Flexible ? UnsignedVarInt() : 0; count > 0; count--)
        {
            UnsignedVarInt();
            Take(checked((int)Math.Min(UnsignedVarInt(), int.MaxValue)));
        }
    }

    private int CompactLength()
    {
        var length = (long)UnsignedVarInt() - 1;
        return length <= Remaining ? (int)length : throw TooShort(length);
    }

    private uint UnsignedVarInt()
    {
        uint value = 0;
        for (var shift = 0; shift < 35; shift += 7)
        {
            var b = Take(1)[0];
            value |= (uint)(b & 0x7f) << shift;
            if ((b & 0x80) == 0)
            {
                return value;
            }
        }
        throw new MalformedRequestException("a varint of more than five bytes");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > Remaining)
        {
            throw TooShort(count);
        }
        _at += count;
        return _bytes.AsSpan(_at - count, count);
    }

    private MalformedRequestException TooShort(long wanted) => new($"{wanted} bytes expected, {Remaining} left");
}
