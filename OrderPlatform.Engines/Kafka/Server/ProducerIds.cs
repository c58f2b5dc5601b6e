using System.Buffers.Binary;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>Gives out producer ids, each once for ever: a block is reserved on disk before the first of it is given.</summary>
internal sealed class ProducerIds
{
    public const string FileName = "producer-ids";
    private const int BlockSize = 1000;

    private readonly Lock _lock = new();
    private readonly string _path;
    private long _next;
    private long _reserved;

    /// <exception cref="LogDamagedException">The file is damaged.</exception>
    public ProducerIds(string folder)
    {
        _path = Path.Combine(folder, FileName);
        if (SealedFile.TryRead(_path) is { } bytes)
        {
            var content = SealedFile.Unseal(bytes);
            _next = _reserved = content.Length == sizeof(long)
                ? BinaryPrimitives.ReadInt64LittleEndian(content)
                : throw new LogDamagedException($"{_path} is damaged. Put it back from a copy; an id given twice would make producers lose records.");
        }
    }

    /// <exception cref="IOException">A new block could not be reserved.</exception>
    public long Next()
    {
        lock (_lock)
        {
            if (_next == _reserved)
            {
                var content = new byte[sizeof(long)];
                BinaryPrimitives.WriteInt64LittleEndian(content, _reserved + BlockSize);
                SealedFile.Replace(_path, SealedFile.Seal(content));
                _reserved += BlockSize;
            }
            return _next++;
        }
    }
}
