using Microsoft.Extensions.Logging;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>A folder that is gone at the end of the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("orderplatform-kafka-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Keeps what the broker would have said.</summary>
internal sealed class LogLines : ILogger
{
    private readonly List<string> _lines = [];

    public KafkaLog Log => new(this);

    public string All
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    private void Add(string line)
    {
        lock (_lines)
        {
            _lines.Add(line);
        }
    }

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Add(formatter(state, exception));
}

/// <summary>One partition's log in a folder of its own, which can be closed, killed and opened again.</summary>
internal sealed class TestLog : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TestLog(params (string Name, string Value)[] configs)
    {
        Config = new TopicConfig(configs.ToDictionary(c => c.Name, c => c.Value));
        Log = Open();
    }

    public TopicConfig Config { get; }
    public ManualClock Clock { get; } = new();
    public LogLines Lines { get; } = new();
    public PartitionLog Log { get; private set; }
    public string Folder => _folder.Path;
    public string[] Segments => [.. Directory.GetFiles(Folder, "*.log").Order(StringComparer.Ordinal)];

    public long Append(TestBatch batch)
    {
        var result = Log.Append(batch.ToBytes());
        result.Error.ShouldBe(OrderPlatform.Engines.Kafka.Protocol.ErrorCode.None);
        return result.BaseOffset;
    }

    /// <summary>As after kill -9: nothing is written any more.</summary>
    public void KillAndReopen()
    {
        Log.Abandon();
        Log = Open();
    }

    public void CloseAndReopen()
    {
        Log.Close();
        Log = Open();
    }

    /// <summary>All offsets from the given one on, batch by batch, as a consumer would read them.</summary>
    public List<long> ReadOffsets(long from = 0, int bytesMax = 1 << 20)
    {
        var offsets = new List<long>();
        while (true)
        {
            var read = Log.Read(from, bytesMax, atLeastOneBatch: true);
            read.Error.ShouldBe(OrderPlatform.Engines.Kafka.Protocol.ErrorCode.None);
            if (read.Slice is not { } slice)
            {
                from.ShouldBe(read.NextOffset);
                return offsets;
            }
            var bytes = new byte[slice.Length];
            slice.Segment.Read(bytes, slice.Position).ShouldBe(slice.Length);
            slice.Segment.Release();
            for (var rest = bytes.AsSpan(); rest.Length > 0;)
            {
                var header = RecordBatchHeader.Read(rest);
                RecordBatchHeader.HasValidCrc(rest[..header.Length]).ShouldBeTrue();
                for (var offset = Math.Max(from, header.BaseOffset); offset < header.NextOffset; offset++)
                {
                    offsets.Add(offset);
                }
                from = header.NextOffset;
                rest = rest[header.Length..];
            }
        }
    }

    public void Dispose()
    {
        Log.Abandon();
        _folder.Dispose();
    }

    private PartitionLog Open() => PartitionLog.Open(Folder, "topic-0", Config, Clock, Lines.Log);
}
