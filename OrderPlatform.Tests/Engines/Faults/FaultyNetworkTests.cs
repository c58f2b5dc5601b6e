using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Faults;

namespace OrderPlatform.Tests.Engines.Faults;

/// <summary>A server that answers what it hears, behind a network that is told to fail.</summary>
public sealed class FaultyNetworkTests : IAsyncLifetime
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(200);

    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string> _heard = [];
    private readonly int _port = LoopbackPort.Free();
    private readonly HttpClient _control = new(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}") };
    private FaultyNetwork _network = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server.Start();
        _ = ServeAsync();
        _network = await FaultyNetwork.StartAsync([("echo", _port, ((IPEndPoint)_server.LocalEndpoint).Port)], _control.BaseAddress!.Port, Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _network.DisposeAsync();
        _server.Stop();
        _control.Dispose();
    }

    [Fact]
    public async Task Passes_on_what_is_sent_and_its_end()
    {
        using var client = await ConnectAsync();

        (await AskAsync(client, "a")).ShouldBe("a");
        (await AskAsync(client, "b")).ShouldBe("b");
        var stream = client.GetStream();
        client.Client.Shutdown(SocketShutdown.Send);

        (await stream.ReadAsync(new byte[1], Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task A_cut_connection_is_reset_and_the_next_one_is_well()
    {
        using var client = await ConnectAsync();
        (await AskAsync(client, "a")).ShouldBe("a");

        (await _control.DeleteAsync("/echo/connections", Cancellation)).StatusCode.ShouldBe(HttpStatusCode.OK);

        await Should.ThrowAsync<IOException>(() => AskAsync(client, "b"));
        using var next = await ConnectAsync();
        (await AskAsync(next, "c")).ShouldBe("c");
    }

    [Fact]
    public async Task A_lost_answer_is_to_a_request_that_arrived()
    {
        await FailAsync(new NetworkFault(LostAnswers: 1));
        using var client = await ConnectAsync();

        await Should.ThrowAsync<IOException>(() => AskAsync(client, "done"));

        _heard.ShouldContain("done");
        await FailAsync(NetworkFault.None);
        using var next = await ConnectAsync();
        (await AskAsync(next, "well")).ShouldBe("well");
    }

    [Fact]
    public async Task A_stalled_network_delivers_afterwards()
    {
        using var client = await ConnectAsync();
        await FailAsync(new NetworkFault(Stalled: true));

        var answer = AskAsync(client, "late");

        (await Task.WhenAny(answer, Task.Delay(Moment, Cancellation))).ShouldNotBe(answer);
        await FailAsync(NetworkFault.None);
        (await answer).ShouldBe("late");
    }

    [Fact]
    public async Task A_slow_network_takes_its_time_both_ways()
    {
        using var client = await ConnectAsync();
        await FailAsync(new NetworkFault(DelayMs: 100));
        var since = System.Diagnostics.Stopwatch.GetTimestamp();

        (await AskAsync(client, "slow")).ShouldBe("slow");

        System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeGreaterThan(TimeSpan.FromMilliseconds(190));
    }

    [Fact]
    public async Task What_it_does_not_know_is_not_found()
    {
        using var unknown = await _control.PutAsJsonAsync("/nobody", NetworkFault.None, Cancellation);

        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    private async Task FailAsync(NetworkFault fault) => (await _control.PutAsJsonAsync("/echo", fault, Cancellation)).StatusCode.ShouldBe(HttpStatusCode.OK);

    private async Task<TcpClient> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _port, Cancellation);
        return client;
    }

    private static async Task<string> AskAsync(TcpClient client, string text)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(Bound);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text), bound.Token);
        var answer = new byte[text.Length];
        await client.GetStream().ReadExactlyAsync(answer, bound.Token);
        return Encoding.ASCII.GetString(answer);
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            _ = EchoAsync(await _server.AcceptTcpClientAsync());
        }
    }

    private async Task EchoAsync(TcpClient client)
    {
        using (client)
        {
            var piece = new byte[1024];
            while (await client.GetStream().ReadAsync(piece) is > 0 and var length)
            {
                _heard.Enqueue(Encoding.ASCII.GetString(piece, 0, length));
                await client.GetStream().WriteAsync(piece.AsMemory(0, length));
            }
        }
    }
}
