using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace OrderPlatform.Engines;

/// <summary>Ports of 127.0.0.1.</summary>
public static class LoopbackPort
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);

    // who had it may belong to a host that was killed a moment ago, and still be stopping
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(5);

    /// <summary>A port that nobody listens on at the moment.</summary>
    public static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Returns once nobody listens on the port.</summary>
    /// <param name="option">The option that chooses another, for the message.</param>
    /// <exception cref="EngineException">Somebody still does after 5 s.</exception>
    public static async Task UntilFreeAsync(int port, string option, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return;
            }
            catch (SocketException e) when (Stopwatch.GetElapsedTime(since) > Bound)
            {
                throw new EngineException($"Port {port} is in use ({e.Message}). Stop the program that has it, or choose another with {option} PORT.", e);
            }
            catch (SocketException)
            {
                await Task.Delay(Poll, cancellation);
            }
        }
    }
}
