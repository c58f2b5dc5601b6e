using System.Reflection;
using System.Runtime.InteropServices;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>
/// The C interface of libchdb, as far as it is used (chdb.h of https://github.com/chdb-io/chdb, 26.7). Text is UTF-8 with explicit lengths.
/// </summary>
internal static unsafe partial class LibChdb
{
    private const string Library = "chdb";

    static LibChdb() => NativeLibrary.SetDllImportResolver(typeof(LibChdb).Assembly, Resolve);

    /// <summary>Where libchdb.so lies; set before the first call.</summary>
    public static string Path { get; set; } = "";

    [LibraryImport(Library, EntryPoint = "chdb_set_signal_handlers_enabled")]
    public static partial void SetSignalHandlersEnabled(int enabled);

    /// <summary>Null when it fails; the reason goes to the process's error output.</summary>
    [LibraryImport(Library, EntryPoint = "chdb_connect", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint* Connect(int argc, string[] argv);

    [LibraryImport(Library, EntryPoint = "chdb_close_conn")]
    public static partial void Close(nint* connection);

    [LibraryImport(Library, EntryPoint = "chdb_shutdown")]
    public static partial int Shutdown();

    [LibraryImport(Library, EntryPoint = "chdb_query_with_params_n")]
    public static partial nint Query(nint connection, byte* query, nuint queryLength, byte* format, nuint formatLength, byte** names, nuint* nameLengths, byte** values, nuint* valueLengths, nuint count);

    [LibraryImport(Library, EntryPoint = "chdb_stream_query_with_params_n")]
    public static partial nint StreamQuery(nint connection, byte* query, nuint queryLength, byte* format, nuint formatLength, byte** names, nuint* nameLengths, byte** values, nuint* valueLengths, nuint count);

    [LibraryImport(Library, EntryPoint = "chdb_stream_fetch_result")]
    public static partial nint StreamFetch(nint connection, nint stream);

    [LibraryImport(Library, EntryPoint = "chdb_stream_cancel_query")]
    public static partial void StreamCancel(nint connection, nint stream);

    [LibraryImport(Library, EntryPoint = "chdb_stream_insert_with_params_n")]
    public static partial nint StreamInsert(nint connection, byte* query, nuint queryLength, byte* format, nuint formatLength, byte** names, nuint* nameLengths, byte** values, nuint* valueLengths, nuint count);

    [LibraryImport(Library, EntryPoint = "chdb_stream_insert_error")]
    public static partial byte* InsertError(nint insert);

    /// <summary>0 when taken; anything else when the insert has failed already. Blocks while the engine is behind.</summary>
    [LibraryImport(Library, EntryPoint = "chdb_stream_append")]
    public static partial int InsertAppend(nint insert, byte* data, nuint length);

    [LibraryImport(Library, EntryPoint = "chdb_stream_done")]
    public static partial nint InsertDone(nint insert);

    /// <summary>Cancels first when the insert is not done.</summary>
    [LibraryImport(Library, EntryPoint = "chdb_destroy_insert_stream")]
    public static partial void InsertDestroy(nint insert);

    [LibraryImport(Library, EntryPoint = "chdb_destroy_query_result")]
    public static partial void ResultDestroy(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_buffer")]
    public static partial byte* ResultBuffer(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_length")]
    public static partial nuint ResultLength(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_error")]
    public static partial byte* ResultError(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_rows_read")]
    public static partial ulong ResultRows(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_bytes_read")]
    public static partial ulong ResultBytes(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_storage_rows_read")]
    public static partial ulong ReadRows(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_storage_bytes_read")]
    public static partial ulong ReadBytes(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_rows_written")]
    public static partial ulong WrittenRows(nint result);

    [LibraryImport(Library, EntryPoint = "chdb_result_bytes_written")]
    public static partial ulong WrittenBytes(nint result);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) =>
        name == Library ? NativeLibrary.Load(Path) : 0;
}
