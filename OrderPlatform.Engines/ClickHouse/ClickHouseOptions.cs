namespace OrderPlatform.Engines.ClickHouse;

/// <summary>How the ClickHouse engine runs.</summary>
/// <param name="LibraryPath">libchdb.so (libchdb.dylib).</param>
/// <param name="DataFolder">The engine's own folder, one process at a time.</param>
/// <param name="Port">On 127.0.0.1.</param>
public sealed record ClickHouseOptions(string LibraryPath, string DataFolder, int Port)
{
    /// <summary>Statements that run at once, 1 and up; others wait. More only share the same cores.</summary>
    public int MaxQueries { get; init; } = 8;

    /// <summary>Inserts with data that run at once, 1 and up; each lasts as long as its sender takes.</summary>
    public int MaxUploads { get; init; } = 32;

    /// <summary>max_server_memory_usage: a query that would need more fails with MEMORY_LIMIT_EXCEEDED. The platform shares the machine with others.</summary>
    public long MemoryBytes { get; init; } = 2L << 30;

    /// <summary>http_receive_timeout of the server: how long a body may be silent.</summary>
    public TimeSpan ReceiveTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
