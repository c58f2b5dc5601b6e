using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OrderPlatform.Engines.Faults;

/// <summary>A loopback port that passes everything on to another, with the faults that it is told.</summary>
internal sealed class FaultProxy : IAsyncDisposable
{
    private const int PieceBytes = 64 * 1024;

    private readonly int _target;
    private readonly TcpListener _listener;
    private readonly ConcurrentDictionary<Socket, Socket> _connections = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;

    private volatile NetworkFault _fault = NetworkFault.None;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="port">The port to listen on.</param>
    /// <param name="target">The port that everything is passed on to.</param>
    public FaultProxy(int port, int target)
    {
        _target = target;
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What is wrong from now on.</summary>
    public NetworkFault Fault
    {
        get => _fault;
        set
        {
            _fault = value;
            Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }

    /// <summary>Resets every connection of this moment.</summary>
    /// <returns>How many there were.</returns>
    public int Cut()
    {
        var cut = _connections.ToArray();
        foreach (var (client, engine) in cut)
        {
            Reset(client);
            Reset(engine);
        }
        return cut.Length;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _accepting;
        _listener.Stop();
        Cut();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                _ = ServeAsync(await _listener.AcceptSocketAsync(_stopping.Token));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // a client that has left before it was served, or the end
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var engine = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (client)
        {
            try
            {
                client.NoDelay = engine.NoDelay = true;
                await engine.ConnectAsync(IPAddress.Loopback, _target, _stopping.Token);
                _connections[client] = engine;
                await Task.WhenAll(PassOnAsync(client, engine, isAnswer: false), PassOnAsync(engine, client, isAnswer: true));
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
            {
                Reset(client); // the engine is away, or one of both ends was cut
            }
            finally
            {
                _connections.TryRemove(client, out _);
            }
        }
    }

    private async Task PassOnAsync(Socket from, Socket to, bool isAnswer)
    {
        try
        {
            var piece = new byte[PieceBytes];
            await using var target = new NetworkStream(to);
            while (await from.ReceiveAsync(piece, _stopping.Token) is > 0 and var length)
            {
                await ArriveAsync(isAnswer);
                await target.WriteAsync(piece.AsMemory(0, length), _stopping.Token);
            }
            to.Shutdown(SocketShutdown.Send);
        }
        catch
        {
            // the other direction must not wait for an end that never comes
            Reset(from);
            Reset(to);
            throw;
        }
    }

    private async Task ArriveAsync(bool isAnswer)
    {
        if (_fault.DelayMs > 0)
        {
            await Task.Delay(_fault.DelayMs, _stopping.Token);
        }
        while (Volatile.Read(ref _changed) is var changed && _fault.Stalled)
        {
            await changed.Task.WaitAsync(_stopping.Token);
        }
        if (isAnswer && Random.Shared.NextDouble() < _fault.LostAnswers)
        {
            throw new IOException("This answer is lost.");
        }
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // it has ended by itself
        }
        socket.Dispose();
    }
}
