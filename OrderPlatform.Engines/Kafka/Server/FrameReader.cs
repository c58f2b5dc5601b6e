using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using OrderPlatform.Engines.Kafka.Requests;

namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>
/// Reads one request after another off a connection into a pooled buffer. The buffer grows with the bytes that have arrived,
/// never by the length that a client claims, and a request must be whole within its time.
/// </summary>
internal sealed class FrameReader : IDisposable
{
    /// <summary>The largest produce request: a client's several batches of 1 MB, one a partition.</summary>
    private const int ProduceBytesMax = 32 << 20;

    /// <summary>The largest request of any other kind, whose parts cost several times their bytes while they are worked on.</summary>
    private const int OtherBytesMax = 1 << 20;

    private const int LengthSize = 4;

    // API key, version, correlation id
    private const int BytesMin = 8;
    private const int BufferStart = 16 * 1024;

    private readonly PipeReader _input;
    private readonly RequestBudget _budget;
    private readonly TimeSpan _bound;
    private readonly ITimer _timer;
    private volatile bool _isLate;
    private bool _isTimed;
    private int _taken;

    public FrameReader(PipeReader input, RequestBudget budget, KafkaOptions options)
    {
        (_input, _budget, _bound) = (input, budget, options.FrameBound);
        _timer = options.Clock.CreateTimer(_ => OnLate(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The request, without its length; the array is larger. Valid until the next one is read.</summary>
    public byte[] Bytes { get; private set; } = [];

    public int Length { get; private set; }

    /// <summary>False when the client has closed the connection between two requests.</summary>
    /// <exception cref="ConnectionDroppedException">What arrives cannot be a request, or does not arrive.</exception>
    public async ValueTask<bool> MoveNextAsync()
    {
        Release();
        if (await ReadStartAsync() is not { } length)
        {
            return false;
        }
        while (Length < length)
        {
            var arrived = (await ReadAsync()).Buffer;
            var take = arrived.Slice(0, Math.Min(arrived.Length, length - Length));
            Grow(Length + (int)take.Length, length);
            take.CopyTo(Bytes.AsSpan(Length));
            Length += (int)take.Length;
            _input.AdvanceTo(take.End);
        }
        Stop();
        return true;
    }

    public void Dispose()
    {
        _timer.Dispose();
        Release();
    }

    // reads the length, and looks at the kind behind it, since that decides how long a request may be
    private async ValueTask<int?> ReadStartAsync()
    {
        while (true)
        {
            var read = await ReadAsync(mayEnd: true);
            var arrived = read.Buffer;
            if (arrived.IsEmpty && read.IsCompleted)
            {
                return null;
            }
            if (TryReadStart(arrived, out var length))
            {
                _input.AdvanceTo(arrived.GetPosition(LengthSize));
                return length;
            }
            if (read.IsCompleted)
            {
                throw new ConnectionDroppedException("the client closed it inside a request");
            }
            if (!arrived.IsEmpty)
            {
                Start();
            }
            _input.AdvanceTo(arrived.Start, arrived.End);
        }
    }

    private static bool TryReadStart(in ReadOnlySequence<byte> arrived, out int length)
    {
        Span<byte> start = stackalloc byte[LengthSize + sizeof(short)];
        length = 0;
        if (arrived.Length < LengthSize)
        {
            return false;
        }
        arrived.Slice(0, Math.Min(arrived.Length, start.Length)).CopyTo(start);
        length = BinaryPrimitives.ReadInt32BigEndian(start);
        if (length is < BytesMin or > ProduceBytesMax)
        {
            throw new ConnectionDroppedException($"a request of {length} bytes, where {BytesMin} to {ProduceBytesMax} are possible");
        }
        if (arrived.Length < start.Length)
        {
            return false;
        }
        var key = BinaryPrimitives.ReadInt16BigEndian(start[LengthSize..]);
        return length <= OtherBytesMax || key == (short)ApiKey.Produce
            ? true
            : throw new ConnectionDroppedException($"a request of {length} bytes of API {key}, where {OtherBytesMax} are possible");
    }

    private async ValueTask<ReadResult> ReadAsync(bool mayEnd = false)
    {
        if (!_input.TryRead(out var read))
        {
            if (!mayEnd)
            {
                Start();
            }
            read = await _input.ReadAsync();
        }
        if (_isLate)
        {
            throw new ConnectionDroppedException($"its request was not whole within {_bound.TotalSeconds:0.#} s");
        }
        return read.IsCompleted && read.Buffer.IsEmpty && !mayEnd ? throw new ConnectionDroppedException("the client closed it inside a request") : read;
    }

    private void Start()
    {
        if (!_isTimed)
        {
            _isTimed = true;
            _timer.Change(_bound, Timeout.InfiniteTimeSpan);
        }
    }

    private void Stop()
    {
        if (_isTimed)
        {
            _isTimed = false;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnLate()
    {
        _isLate = true;
        _input.CancelPendingRead();
    }

    private void Grow(int needed, int length)
    {
        if (needed <= Bytes.Length)
        {
            return;
        }
        // doubled, so that copying stays cheap; never beyond twice what has arrived
        var size = Math.Min(length, Math.Max(BufferStart, 2 * needed));
        _budget.Take(size);
        var larger = ArrayPool<byte>.Shared.Rent(size);
        Bytes.AsSpan(0, Length).CopyTo(larger);
        var kept = Length;
        Release();
        (Bytes, Length, _taken) = (larger, kept, size);
    }

    private void Release()
    {
        if (_taken > 0)
        {
            ArrayPool<byte>.Shared.Return(Bytes);
            _budget.Give(_taken);
        }
        (Bytes, Length, _taken) = ([], 0, 0);
    }
}
