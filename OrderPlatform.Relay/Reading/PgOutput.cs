using System.Buffers.Binary;
using System.Text;
using NpgsqlTypes;

namespace OrderPlatform.Relay.Reading;

/// <summary>
/// A message of pgoutput, protocol version 2 and binary, field after field. Npgsql's own reader awaits every column of every row.
/// </summary>
/// <remarks>https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html. Numbers are in network byte order.</remarks>
internal ref struct PgOutput
{
    public const byte Begin = (byte)'B';
    public const byte Commit = (byte)'C';
    public const byte Insert = (byte)'I';
    public const byte Message = (byte)'M';
    public const byte StreamStart = (byte)'S';
    public const byte StreamStop = (byte)'E';
    public const byte StreamCommit = (byte)'c';
    public const byte StreamAbort = (byte)'A';

    private const byte Null = (byte)'n';
    private const byte Binary = (byte)'b';
    private static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private ReadOnlySpan<byte> _rest;

    /// <param name="message">All of it.</param>
    public PgOutput(ReadOnlySpan<byte> message)
    {
        Kind = message[0];
        _rest = message[1..];
    }

    /// <summary>What it tells; others than those above are of no interest here.</summary>
    public byte Kind { get; }

    /// <summary>Options of START_REPLICATION that make the server speak like this.</summary>
    /// <param name="publication">What is told of.</param>
    public static IReadOnlyList<KeyValuePair<string, string?>> OptionsFor(string publication) =>
        [new("proto_version", "2"), new("publication_names", publication), new("binary", "on"), new("streaming", "on"), new("messages", "on")];

    public uint TransactionId() => BinaryPrimitives.ReadUInt32BigEndian(Take(sizeof(uint)));

    public NpgsqlLogSequenceNumber Lsn() => new(BinaryPrimitives.ReadUInt64BigEndian(Take(sizeof(ulong))));

    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(sizeof(int)));

    public void Skip(int bytes) => Take(bytes);

    public ReadOnlySpan<byte> Take(int bytes)
    {
        var taken = _rest[..bytes];
        _rest = _rest[bytes..];
        return taken;
    }

    /// <summary>A text that a zero ends.</summary>
    public ReadOnlySpan<byte> Name()
    {
        var name = Take(_rest.IndexOf((byte)0));
        Skip(1);
        return name;
    }

    /// <summary>The next column of a row.</summary>
    /// <exception cref="InvalidDataException">The server sent it in a form that was not asked for.</exception>
    public ReadOnlySpan<byte> Column() => TryColumn(out var value) ? value : throw new InvalidDataException("A column of the event log that is never null came as null.");

    /// <inheritdoc cref="Column"/>
    /// <returns>False when it is null.</returns>
    public bool TryColumn(out ReadOnlySpan<byte> value)
    {
        value = default;
        switch (Take(1)[0])
        {
            case Null:
                return false;
            case Binary:
                value = Take(Int32());
                return true;
            case var form:
                throw new InvalidDataException($"PostgreSQL sent a column in form '{(char)form}', where binary was asked for.");
        }
    }

    public long Int64Column() => BinaryPrimitives.ReadInt64BigEndian(Column());

    public int Int32Column() => BinaryPrimitives.ReadInt32BigEndian(Column());

    public Guid GuidColumn() => new(Column(), bigEndian: true);

    public string TextColumn() => Encoding.UTF8.GetString(Column());

    public string? NullableTextColumn() => TryColumn(out var value) ? Encoding.UTF8.GetString(value) : null;

    /// <summary>A timestamptz: microseconds since the beginning of 2000.</summary>
    public DateTimeOffset TimeColumn() => Epoch.AddTicks(Int64Column() * TimeSpan.TicksPerMicrosecond);
}
