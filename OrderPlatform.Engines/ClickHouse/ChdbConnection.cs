using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>A named value for a <c>{name:Type}</c> in the query, as the bytes that the client sent.</summary>
/// <param name="Name">On the pinned heap, see <see cref="Pinned"/>.</param>
/// <param name="Value">Escaped as in TabSeparated, which is how the engine reads it; on the pinned heap.</param>
internal readonly record struct QueryParameter(byte[] Name, byte[] Value)
{
    /// <summary>An array that native code can read without a handle.</summary>
    public static byte[] Pinned(ReadOnlySpan<byte> bytes)
    {
        var array = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(array);
        return array;
    }
}

/// <summary>
/// A session in the engine. Opening one takes 0.1 ms once the engine runs, so each request has its own:
/// no setting, database or temporary table can leak from one query to the next.
/// </summary>
internal sealed unsafe class ChdbConnection : IDisposable
{
    // what the engine answers, before it runs anything, to a statement that is not a SELECT
    private const string NotStreamable = "Code: 36. DB::Exception: Streaming query is not supported for query";

    // the output formats whose pieces, joined, are the whole: found by comparing both for every format of the engine
    private static readonly HashSet<string> Streamable =
    [
        "BSONEachRow", "CSV", "JSONCompactEachRow", "JSONCompactStringsEachRow", "JSONEachRow", "JSONL", "JSONLines", "JSONStringsEachRow",
        "LineAsString", "MsgPack", "NDJSON", "Native", "Null", "Protobuf", "RawBLOB", "RowBinary", "TSKV", "TSV", "TSVRaw", "TabSeparated", "TabSeparatedRaw",
    ];

    private nint* _handle;

    private ChdbConnection(nint* handle) => _handle = handle;

    private nint Handle => *_handle;

    /// <summary>Opens a session; the first one of the process starts the engine.</summary>
    /// <param name="arguments">As on the command line of clickhouse-local: <c>--path=...</c>, <c>--setting=value</c>.</param>
    /// <returns>Null when the engine refuses; its reason is on the error output.</returns>
    public static ChdbConnection? TryOpen(params IReadOnlyList<string> arguments)
    {
        var handle = LibChdb.Connect(arguments.Count + 1, ["clickhouse", .. arguments]);
        return handle == null ? null : new ChdbConnection(handle);
    }

    /// <summary>Runs any statement but an INSERT with data, and gives its whole result.</summary>
    /// <exception cref="ClickHouseError">The engine's own.</exception>
    public ChdbResult Query(ReadOnlySpan<byte> sql, string format, params IReadOnlyList<QueryParameter> parameters) =>
        new(Call(&LibChdb.Query, sql, format, parameters));

    /// <summary>
    /// Runs a statement and gives its result in pieces, in a <paramref name="format"/> that has no head or foot: libchdb
    /// ends the format with each piece. Other formats come as one piece, in memory.
    /// </summary>
    /// <exception cref="ClickHouseError">The engine's own; also from a later piece.</exception>
    public IEnumerable<ChdbResult> Stream(ReadOnlySpan<byte> sql, string format, IReadOnlyList<QueryParameter> parameters)
    {
        if (!Streamable.Contains(format))
        {
            return [Query(sql, format, parameters)];
        }
        var stream = Call(&LibChdb.StreamQuery, sql, format, parameters);
        if (ErrorText(LibChdb.ResultError(stream)) is not { } error)
        {
            return Pieces(stream);
        }
        LibChdb.ResultDestroy(stream);
        return error.StartsWith(NotStreamable, StringComparison.Ordinal) ? [Query(sql, format, parameters)] : throw new ClickHouseError(error);
    }

    /// <summary>Begins an insert whose data follow, in whatever pieces. They are data to the engine and never SQL.</summary>
    /// <param name="sql">The INSERT without VALUES or FORMAT.</param>
    /// <exception cref="ClickHouseError">The engine's own.</exception>
    public ChdbInsert Insert(ReadOnlySpan<byte> sql, string format, IReadOnlyList<QueryParameter> parameters) =>
        new(Call(&LibChdb.StreamInsert, sql, format, parameters));

    /// <inheritdoc />
    public void Dispose()
    {
        if (_handle != null)
        {
            LibChdb.Close(_handle);
            _handle = null;
        }
    }

    /// <summary>Null for no error.</summary>
    internal static string? ErrorText(byte* text) => text == null ? null : Marshal.PtrToStringUTF8((nint)text);

    private IEnumerable<ChdbResult> Pieces(nint stream)
    {
        try
        {
            while (true)
            {
                var piece = new ChdbResult(LibChdb.StreamFetch(Handle, stream));
                if (piece.IsEmpty)
                {
                    piece.Dispose();
                    yield break;
                }
                yield return piece;
            }
        }
        finally
        {
            LibChdb.StreamCancel(Handle, stream); // does nothing at the end of the stream
            LibChdb.ResultDestroy(stream);
        }
    }

    private nint Call(
        delegate*<nint, byte*, nuint, byte*, nuint, byte**, nuint*, byte**, nuint*, nuint, nint> function,
        ReadOnlySpan<byte> sql, string format, IReadOnlyList<QueryParameter> parameters)
    {
        var count = parameters.Count;
        var names = stackalloc byte*[count];
        var nameLengths = stackalloc nuint[count];
        var values = stackalloc byte*[count];
        var valueLengths = stackalloc nuint[count];
        for (var i = 0; i < count; i++)
        {
            names[i] = Address(parameters[i].Name);
            nameLengths[i] = (nuint)parameters[i].Name.Length;
            values[i] = Address(parameters[i].Value);
            valueLengths[i] = (nuint)parameters[i].Value.Length;
        }
        var formatBytes = Encoding.UTF8.GetBytes(format);
        fixed (byte* sqlStart = sql, formatStart = formatBytes)
        {
            return function(Handle, sqlStart, (nuint)sql.Length, formatStart, (nuint)formatBytes.Length, names, nameLengths, values, valueLengths, (nuint)count);
        }

        static byte* Address(byte[] pinned) => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(pinned));
    }
}

/// <summary>A result or a piece of one, in the engine's memory.</summary>
internal sealed unsafe class ChdbResult : IDisposable
{
    private readonly nint _handle;

    /// <exception cref="ClickHouseError">The result is an error.</exception>
    public ChdbResult(nint handle)
    {
        _handle = handle;
        if (ChdbConnection.ErrorText(LibChdb.ResultError(handle)) is { } error)
        {
            LibChdb.ResultDestroy(handle);
            throw new ClickHouseError(error);
        }
    }

    public bool IsEmpty => LibChdb.ResultLength(_handle) == 0;

    public ReadOnlySpan<byte> Bytes => new(LibChdb.ResultBuffer(_handle), checked((int)LibChdb.ResultLength(_handle)));

    /// <summary>The bytes as a stream; valid until <see cref="Dispose"/>.</summary>
    public Stream OpenRead() => new UnmanagedMemoryStream(LibChdb.ResultBuffer(_handle), (long)LibChdb.ResultLength(_handle));

    public QueryStatistics Statistics => new(
        LibChdb.ReadRows(_handle), LibChdb.ReadBytes(_handle), LibChdb.WrittenRows(_handle), LibChdb.WrittenBytes(_handle),
        LibChdb.ResultRows(_handle), LibChdb.ResultBytes(_handle));

    public void Dispose() => LibChdb.ResultDestroy(_handle);
}

/// <summary>An insert in progress. Disposed before <see cref="Complete"/>, it leaves nothing of the current block behind.</summary>
internal sealed unsafe class ChdbInsert : IDisposable
{
    private readonly nint _handle;

    /// <exception cref="ClickHouseError">The statement cannot be run.</exception>
    public ChdbInsert(nint handle)
    {
        _handle = handle;
        if (ChdbConnection.ErrorText(LibChdb.InsertError(handle)) is { } error)
        {
            LibChdb.InsertDestroy(handle);
            throw new ClickHouseError(error);
        }
    }

    /// <summary>Hands over data; waits while the engine is behind.</summary>
    /// <returns>False when the insert has failed; <see cref="Complete"/> then throws why.</returns>
    public bool TryAppend(ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            return LibChdb.InsertAppend(_handle, start, (nuint)data.Length) == 0;
        }
    }

    /// <summary>Writes what is left and commits.</summary>
    /// <exception cref="ClickHouseError">The data or the engine: nothing of the last block is written.</exception>
    public ChdbResult Complete() => new(LibChdb.InsertDone(_handle));

    public void Dispose() => LibChdb.InsertDestroy(_handle);
}

/// <summary>What a query read, wrote and gave: the numbers of X-ClickHouse-Summary.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct QueryStatistics(ulong ReadRows, ulong ReadBytes, ulong WrittenRows, ulong WrittenBytes, ulong ResultRows, ulong ResultBytes)
{
    public static QueryStatistics operator +(QueryStatistics a, QueryStatistics b) => new(
        a.ReadRows + b.ReadRows, a.ReadBytes + b.ReadBytes, a.WrittenRows + b.WrittenRows, a.WrittenBytes + b.WrittenBytes,
        a.ResultRows + b.ResultRows, a.ResultBytes + b.ResultBytes);

    /// <summary>The header's value in the server's shape: numbers as strings.</summary>
    public string ToSummary(TimeSpan elapsed) =>
        $$"""{"read_rows":"{{ReadRows}}","read_bytes":"{{ReadBytes}}","written_rows":"{{WrittenRows}}","written_bytes":"{{WrittenBytes}}","total_rows_to_read":"0","result_rows":"{{ResultRows}}","result_bytes":"{{ResultBytes}}","elapsed_ns":"{{elapsed.Ticks * 100}}","memory_usage":"0"}""";
}
