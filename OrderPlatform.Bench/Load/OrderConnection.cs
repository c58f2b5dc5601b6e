using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// A client that places one order after the other on one connection of HTTP/1.1. The bytes of its request are made once: a
/// client that shares the processors with what it measures has to be cheap.
/// </summary>
internal sealed class OrderConnection : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _answer = new byte[4096];
    private readonly byte[] _request;
    private readonly Memory<byte> _key;

    private OrderConnection(byte[] request, int keyAt) => (_request, _key) = (request, request.AsMemory(keyAt, Guid.Empty.ToString().Length));

    /// <summary>Connects.</summary>
    /// <param name="order">The body of each request.</param>
    public static async Task<OrderConnection> OpenAsync(Uri api, string apiKey, string order, CancellationToken cancellation)
    {
        var beforeKey = $"POST /orders HTTP/1.1\r\nHost: {api.Authority}\r\nX-Api-Key: {apiKey}\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(order)}\r\nIdempotency-Key: ";
        var connection = new OrderConnection(Encoding.UTF8.GetBytes($"{beforeKey}{Guid.Empty}\r\n\r\n{order}"), beforeKey.Length);
        await connection._socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, api.Port), cancellation);
        return connection;
    }

    /// <summary>Places an order under a new key.</summary>
    /// <exception cref="BenchException">It was not answered with 201.</exception>
    public async Task PlaceAsync(CancellationToken cancellation)
    {
        Guid.NewGuid().TryFormat(_key.Span, out _);
        await _socket.SendAsync(_request, cancellation);
        var length = 0;
        do
        {
            var read = await _socket.ReceiveAsync(_answer.AsMemory(length), cancellation);
            length = read > 0 ? length + read : throw new BenchException("The Api has closed a connection in the middle of an answer.");
        }
        while (!IsPlaced(_answer.AsSpan(0, length)));
    }

    /// <inheritdoc />
    public void Dispose() => _socket.Dispose();

    // false while the answer is not here to its end
    private static bool IsPlaced(ReadOnlySpan<byte> answer)
    {
        var body = answer.IndexOf("\r\n\r\n"u8) + 4;
        if (body < 4)
        {
            return false;
        }
        if (!answer.StartsWith("HTTP/1.1 201 "u8))
        {
            throw new BenchException($"An order was not placed: {Encoding.UTF8.GetString(answer)}");
        }
        var field = answer[(answer.IndexOf("Content-Length: "u8) + "Content-Length: ".Length)..];
        return answer.Length - body >= int.Parse(field[..field.IndexOf((byte)'\r')], provider: null);
    }
}
