namespace OrderPlatform.Engines.ClickHouse;

/// <summary>The body of a request, read in large pieces; a sender that falls silent is given up.</summary>
internal sealed class RequestBody(Stream stream, TimeSpan timeout) : IAsyncDisposable
{
    /// <summary>True once its end has been read.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Reads up to <paramref name="bytes"/>, less only at the end.</summary>
    public async Task<byte[]> ReadAtMostAsync(int bytes, CancellationToken cancellation)
    {
        using var read = new MemoryStream();
        var piece = new byte[Math.Min(bytes, 1 << 16)];
        while (!IsAtEnd && read.Length < bytes)
        {
            var length = await FillAsync(piece.AsMemory(0, (int)Math.Min(piece.Length, bytes - read.Length)), cancellation);
            read.Write(piece, 0, length);
        }
        return read.ToArray();
    }

    /// <summary>Fills the buffer, less only at the end.</summary>
    /// <exception cref="ClickHouseError">The sender was silent for too long, or what it sent is not what it says.</exception>
    public async Task<int> FillAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var length = 0;
        try
        {
            while (!IsAtEnd && length < buffer.Length)
            {
                silence.CancelAfter(timeout);
                var read = await stream.ReadAsync(buffer[length..], silence.Token);
                IsAtEnd = read == 0;
                length += read;
            }
            return length;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ClickHouseError($"Code: 209. DB::Exception: Timeout exceeded while reading the request's body: silent for {timeout.TotalSeconds:0} s. (SOCKET_TIMEOUT)");
        }
        catch (InvalidDataException e)
        {
            throw new ClickHouseError($"Code: 354. DB::Exception: The body cannot be decompressed: {e.Message} (ZLIB_INFLATE_FAILED)");
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
