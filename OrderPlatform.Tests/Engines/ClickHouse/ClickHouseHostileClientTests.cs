using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrderPlatform.Tests.Engines.ClickHouse;

[Collection(nameof(ClickHouseCollection))]
public sealed class ClickHouseHostileClientTests(ClickHouseFixture clickHouse)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keeps_serving_whatever_comes_to_its_port()
    {
        var random = new Random(7);
        var noise = new byte[10_000];
        for (var i = 0; i < 200; i++)
        {
            random.NextBytes(noise);
            await SendAsync(noise);
            await SendAsync([.. "POST /?query=INSERT+INTO+system.one+FORMAT+RowBinary HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"u8, .. noise]);
        }
        await SendAsync(Encoding.ASCII.GetBytes("GET /?query=" + new string('a', 3_000_000)));
        await SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nX: " + new string('a', 3_000_000)));
        await SendAsync("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\nSELECT 1"u8.ToArray());
        await SendAsync("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"u8.ToArray());

        (await clickHouse.Http.QueryAsync("SELECT 1")).ShouldBe("1");
    }

    [Fact]
    public async Task Bodies_that_never_end_keep_nobody_waiting()
    {
        var open = new List<TcpClient>();
        foreach (var head in (string[])["/?query=INSERT+INTO+FUNCTION+null('n+UInt8')+FORMAT+TSV", "/"])
        {
            for (var i = 0; i < 100; i++)
            {
                open.Add(await OpenAsync(Encoding.ASCII.GetBytes($"POST {head} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n")));
            }
        }

        (await clickHouse.Http.QueryAsync("SELECT 1")).ShouldBe("1");
        await clickHouse.Http.InsertAsync("INSERT INTO FUNCTION null('n UInt8') FORMAT TSV", "1\n"u8.ToArray());
        open.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_statement_that_is_too_long_is_refused_and_a_long_insert_is_not()
    {
        using var response = await clickHouse.Http.PostAsync(new StringContent("SELECT '" + new string('a', 1_000_000) + "'"));
        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe(["62"]);

        await clickHouse.Http.QueryAsync("INSERT INTO FUNCTION null('s String') VALUES ('" + new string('a', 1_000_000) + "')");
        (await clickHouse.Http.QueryAsync("SELECT length('" + new string('a', 1_000_000) + "')", ("max_query_size", "2000000"))).ShouldBe("1000000");
    }

    private async Task SendAsync(byte[] bytes)
    {
        try
        {
            using var client = await OpenAsync(bytes);
        }
        catch (IOException)
        {
            // it hung up on us, as it may
        }
    }

    private async Task<TcpClient> OpenAsync(byte[] bytes)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, clickHouse.Running.Port, Cancellation);
        await client.GetStream().WriteAsync(bytes, Cancellation);
        return client;
    }
}
