namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>The bytes that all requests together may hold in memory while they arrive and are answered.</summary>
internal sealed class RequestBudget
{
    private const long BytesMax = 128 << 20;

    private long _taken;

    /// <exception cref="ConnectionDroppedException">There is no room at the moment: the client may try again.</exception>
    public void Take(int bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) > BytesMax)
        {
            Give(bytes);
            throw new ConnectionDroppedException($"requests under way hold {BytesMax >> 20} MB already");
        }
    }

    public void Give(int bytes) => Interlocked.Add(ref _taken, -bytes);
}
