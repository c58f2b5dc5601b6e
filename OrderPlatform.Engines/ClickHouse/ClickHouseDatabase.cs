using System.Collections.Concurrent;
using System.Text;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>The engine in this process on its one data folder, and the sessions of the queries that run.</summary>
internal sealed class ClickHouseDatabase : IDisposable
{
    private readonly string[] _arguments;
    private readonly ChdbConnection _first; // the engine runs as long as a session is open
    private readonly SemaphoreSlim _queries;
    private readonly SemaphoreSlim _uploads;
    private readonly ConcurrentDictionary<string, bool> _running = new();

    private ClickHouseDatabase(ClickHouseOptions options, string[] arguments, ChdbConnection first)
    {
        (_arguments, _first) = (arguments, first);
        (_queries, _uploads) = (new(options.MaxQueries), new(options.MaxUploads));
        SpoolFolder = Path.Combine(options.DataFolder, "http");
        Directory.CreateDirectory(SpoolFolder);
        var facts = Text(first, "SELECT version(), timezone()").Split('\t');
        (Version, TimeZone) = (facts[0], facts[1]);
        ContentTypes = Text(first, "SELECT name, content_type FROM system.formats WHERE is_output").Split('\n').Select(line => line.Split('\t')).ToDictionary(row => row[0], row => row[1]);
    }

    public string Version { get; }

    public string TimeZone { get; }

    /// <summary>Content-Type by the name of the format.</summary>
    public IReadOnlyDictionary<string, string> ContentTypes { get; }

    /// <summary>Where results wait that do not fit in memory.</summary>
    public string SpoolFolder { get; }

    /// <summary>Starts the engine.</summary>
    /// <exception cref="EngineException">The data folder is in use or cannot be opened.</exception>
    public static ClickHouseDatabase Open(ClickHouseOptions options)
    {
        LibChdb.Path = options.LibraryPath;
        LibChdb.SetSignalHandlersEnabled(0); // they would replace .NET's own
        MendUnlessInUse(options);
        string[] arguments =
        [
            $"--path={options.DataFolder}",
            $"--max_server_memory_usage={options.MemoryBytes}",
            $"--mark_cache_size={options.MemoryBytes / 32}",
            "--send_crash_reports.enabled=false",
        ];
        var first = ChdbConnection.TryOpen(arguments)
            ?? throw new EngineException($"ClickHouse cannot open the data folder {options.DataFolder} (its reason is above): stop the other process that uses it, or give another --data.");
        return new ClickHouseDatabase(options, arguments, first);
    }

    /// <summary>Opens a session for one query when it is its turn.</summary>
    /// <param name="upload">The query's data come from the client, who sets the pace: it waits in a line of its own.</param>
    /// <exception cref="ClickHouseError">A query with this id is running.</exception>
    public async Task<Session> OpenSessionAsync(QueryRequest request, bool upload, CancellationToken cancellation)
    {
        if (!_running.TryAdd(request.QueryId, true))
        {
            throw new ClickHouseError($"Code: 216. DB::Exception: Query with id = {request.QueryId} is already running. (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING)");
        }
        var turn = upload ? _uploads : _queries;
        try
        {
            await turn.WaitAsync(cancellation);
        }
        catch
        {
            _running.TryRemove(request.QueryId, out _);
            throw;
        }
        // log_comment is what tells the query from others in system.processes: the engine makes up its own query_id
        if (ChdbConnection.TryOpen([.. _arguments, .. request.Sets("log_comment") ? [] : (string[])[$"--log_comment={request.QueryId}"]]) is { } connection)
        {
            return new Session(this, turn, request.QueryId, connection);
        }
        _running.TryRemove(request.QueryId, out _);
        turn.Release();
        throw new ClickHouseError("Code: 1002. DB::Exception: The engine opens no session. (UNKNOWN_EXCEPTION)");
    }

    /// <summary>A session without its turn, for comparison with direct calls.</summary>
    /// <exception cref="EngineException">The engine refuses.</exception>
    public ChdbConnection OpenDirect() => ChdbConnection.TryOpen(_arguments) ?? throw new EngineException("The engine opens no session.");

    /// <inheritdoc />
    public void Dispose()
    {
        _first.Dispose();
        _ = LibChdb.Shutdown();
        _queries.Dispose();
        _uploads.Dispose();
    }

    // the engine holds a lock on its file "status"
    private static void MendUnlessInUse(ClickHouseOptions options)
    {
        try
        {
            using var alone = new FileStream(Path.Combine(options.DataFolder, "status"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            DeduplicationLogs.Mend(options.DataFolder, options.MaxQueries + options.MaxUploads);
        }
        catch (IOException)
        {
            // in use: the engine says so when it opens
        }
    }

    private static string Text(ChdbConnection connection, string sql)
    {
        using var result = connection.Query(Encoding.UTF8.GetBytes(sql), "TabSeparated");
        return Encoding.UTF8.GetString(result.Bytes).TrimEnd('\n');
    }

    /// <summary>One query's session.</summary>
    internal sealed class Session(ClickHouseDatabase database, SemaphoreSlim turn, string queryId, ChdbConnection connection) : IDisposable
    {
        public ChdbConnection Connection => connection;

        /// <summary>Ends the running statement from another session; it then fails with QUERY_WAS_CANCELLED.</summary>
        public void CancelSoon() => _ = Task.Run(Cancel);

        public void Dispose()
        {
            connection.Dispose();
            database._running.TryRemove(queryId, out _);
            turn.Release();
        }

        private void Cancel()
        {
            using var other = ChdbConnection.TryOpen(database._arguments);
            var id = queryId.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal);
            other?.Query(Encoding.UTF8.GetBytes($"KILL QUERY WHERE Settings['log_comment'] = '{id}' ASYNC"), "Null").Dispose();
        }
    }
}
