using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class ProtocolPrimitivesTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_written_is_read(bool flexible)
    {
        var id = Guid.NewGuid();
        using var writer = new ProtocolWriter { Flexible = flexible };
        writer.Int8(-1);
        writer.Int16(-2);
        writer.Int32(int.MinValue);
        writer.Int64(long.MaxValue);
        writer.Bool(true);
        writer.Uuid(id);
        writer.String("grün");
        writer.String(null);
        writer.String(new string('x', 300));
        writer.Bytes(new byte[5000]);
        writer.Array([1, 2, 3], (w, i) => w.Int32(i));
        writer.ArrayLength(-1);
        writer.Tags();

        var reader = Reader(flexible, writer.Written.ToArray());
        (reader.Int8(), reader.Int16(), reader.Int32(), reader.Int64(), reader.Bool(), reader.Uuid()).ShouldBe(((sbyte)-1, (short)-2, int.MinValue, long.MaxValue, true, id));
        (reader.String(), reader.NullableString(), reader.String()).ShouldBe(("grün", null, new string('x', 300)));
        reader.Bytes().Length.ShouldBe(5000);
        reader.Array(r => r.Int32()).ShouldBe([1, 2, 3]);
        reader.NullableArray(r => r.Int32()).ShouldBeNull();
        reader.Tags();
        reader.Remaining.ShouldBe(0);
    }

    [Fact]
    public void Tagged_fields_are_skipped()
    {
        // two fields: tag 0 with 3 bytes, tag 300 with none; then the next value
        var reader = Reader(true, [2, 0, 3, 9, 9, 9, 0xAC, 0x02, 0, 42]);
        reader.Tags();
        reader.Int8().ShouldBe((sbyte)42);
    }

    [Fact]
    public void The_bytes_of_a_compact_array_are_those_of_the_specification()
    {
        using var writer = new ProtocolWriter { Flexible = true };
        writer.Array(["a", "bc"], (w, s) => w.String(s));
        writer.Tags();
        writer.Written.ToArray().ShouldBe([3, 2, (byte)'a', 3, (byte)'b', (byte)'c', 0]);
    }

    [Theory]
    [InlineData(false, new byte[] { 0x7F, 0xFF, 0xFF, 0xFF })]
    [InlineData(false, new byte[] { 0, 0, 0, 5, 1, 2, 3, 4 })]
    [InlineData(true, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0x0F })]
    [InlineData(true, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF })]
    [InlineData(true, new byte[] { })]
    public void Lengths_beyond_what_has_arrived_are_refused(bool flexible, byte[] bytes)
    {
        Should.Throw<MalformedRequestException>(() => Reader(flexible, bytes).Array(r => r.Int8()));
        Should.Throw<MalformedRequestException>(() => Reader(flexible, bytes).Bytes());
    }

    [Fact]
    public void A_string_that_may_not_be_null_is_refused() =>
        Should.Throw<MalformedRequestException>(() => Reader(false, [0xFF, 0xFF]).String());

    private static ProtocolReader Reader(bool flexible, byte[] bytes)
    {
        var reader = new ProtocolReader();
        reader.Reset(bytes, bytes.Length);
        reader.Flexible = flexible;
        return reader;
    }
}
