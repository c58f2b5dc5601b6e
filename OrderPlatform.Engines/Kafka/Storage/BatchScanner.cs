using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>Walks the batches of a segment's file from one border to the next, reading in chunks.</summary>
internal ref struct BatchScanner(SafeFileHandle file, int position, int end, bool verify) : IDisposable
{
    private const int Chunk = 64 * 1024;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(Chunk);
    private int _bufferedAt = position;
    private int _buffered;

    /// <summary>Where the current batch starts.</summary>
    public int Position { get; private set; } = position;

    /// <summary>Where the next batch starts: the end of all that was good.</summary>
    public int Next { get; private set; } = position;

    public RecordBatchHeader Header { get; private set; }

    /// <summary>The current batch, when it was asked to be verified.</summary>
    public readonly ReadOnlySpan<byte> Batch => _buffer.AsSpan(Position - _bufferedAt, Header.Length);

    /// <summary>False at the end and at the first batch that is not whole or, when verifying, not true to its CRC.</summary>
    public bool MoveNext()
    {
        Position = Next;
        if (!Buffer(RecordBatchHeader.Size))
        {
            return false;
        }
        Header = RecordBatchHeader.Read(_buffer.AsSpan(Position - _bufferedAt));
        if (Header.Magic != 2 || Header.Length < RecordBatchHeader.Size || Header.Length > end - Position || Header.LastOffsetDelta < 0)
        {
            return false;
        }
        if (verify && !(Buffer(Header.Length) && RecordBatchHeader.HasValidCrc(Batch)))
        {
            return false;
        }
        Next = Position + Header.Length;
        return true;
    }

    public readonly void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    // makes the bytes from Position on available; false when the file has fewer
    private bool Buffer(int count)
    {
        if (Position + (long)count <= _bufferedAt + (long)_buffered && Position >= _bufferedAt)
        {
            return true;
        }
        if (count > end - Position)
        {
            return false;
        }
        if (count > _buffer.Length)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(count);
        }
        _bufferedAt = Position;
        _buffered = 0;
        var wanted = Math.Min(_buffer.Length, end - Position);
        while (_buffered < wanted && RandomAccess.Read(file, _buffer.AsSpan(_buffered, wanted - _buffered), _bufferedAt + _buffered) is > 0 and var read)
        {
            _buffered += read;
        }
        return _buffered >= count;
    }
}
