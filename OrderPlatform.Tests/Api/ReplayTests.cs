using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class ReplayTests(PlatformFixture platform)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_version_ever_answered_is_what_its_events_make_at_that_moment()
    {
        var api = await platform.ApiAsync();
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var i = 0; i < 20; i++)
        {
            var answered = new List<JsonObject> { await api.PlaceAsync() };
            for (var step = random.Next(6); step > 0; step--)
            {
                using var response = await api.SendAsync(Next(random, answered[^1]), Cancellation);
                if (response.IsSuccessStatusCode)
                {
                    answered.Add(await response.ReadObjectAsync());
                }
            }

            (await api.GetObjectAsync($"/orders/{answered[^1]["id"]}")).ToJsonString().ShouldBe(answered[^1].ToJsonString(), $"seed {seed}");
            foreach (var order in answered)
            {
                (await api.GetObjectAsync($"/orders/{order["id"]}?asOf={order["updatedAt"]}")).ToJsonString().ShouldBe(order.ToJsonString(), $"seed {seed}");
            }
        }
    }

    [Fact]
    public async Task A_request_that_is_broken_off_leaves_all_or_nothing()
    {
        var api = await platform.ApiAsync();
        var customer = "c-" + Guid.NewGuid();
        var body = TwoCds.Replace("c-1", customer, StringComparison.Ordinal);
        var random = new Random(1);
        var keys = Enumerable.Range(0, 100).Select(_ => Guid.NewGuid().ToString()).ToList();
        foreach (var key in keys)
        {
            await BreakOffAsync(api, body, key, random.Next(-20, 20));
        }

        // the server may still be at the last of them
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await UntilNothingIsWrittenAsync(source);
        var orders = await CountAsync(source, "SELECT count(*) FROM orders WHERE customer_id = $1", customer);
        var events = await CountAsync(source, "SELECT count(*) FROM orders o JOIN event_log e ON e.stream = 'order/' || o.id WHERE o.customer_id = $1", customer);
        var answers = await CountAsync(source, "SELECT count(*) FROM idempotency WHERE key = ANY ($1)", keys);
        events.ShouldBe(orders);
        answers.ShouldBe(orders);

        // and sent again each of them is there, once
        foreach (var key in keys)
        {
            using var again = await api.SendAsync(Post("/orders", body, key), Cancellation);
            again.StatusCode.ShouldBe(HttpStatusCode.Created);
        }
        (await CountAsync(source, "SELECT count(*) FROM orders WHERE customer_id = $1", customer)).ShouldBe(keys.Count);
    }

    private static HttpRequestMessage Next(Random random, JsonObject order) => random.Next(5) == 0
        ? Post($"/orders/{order["id"]}/cancel", "")
        : Patch($"/orders/{order["id"]}/items", Lines(random), $"\"{order["version"]}\"");

    private static string Lines(Random random)
    {
        var lines = Enumerable.Range(0, random.Next(1, 5)).Select(_ => $$"""{"productId":"p-{{random.Next(3)}}","quantity":{{random.Next(1, 100)}},"unitPrice":{{random.Next(100_000) / 100m}}}""");
        return $$"""{"items":[{{string.Join(',', lines)}}]}""";
    }

    /// <summary>Sends a request and resets the connection: before its last bytes (negative) or a few turns of the scheduler after them.</summary>
    private static async Task BreakOffAsync(HttpClient api, string body, string key, int moment)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(enable: true, seconds: 0) };
        await socket.ConnectAsync(api.BaseAddress!.Host, api.BaseAddress.Port, Cancellation);
        var apiKey = api.DefaultRequestHeaders.GetValues("X-Api-Key").Single();
        var request = Encoding.UTF8.GetBytes($"POST /orders HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {apiKey}\r\nIdempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        await socket.SendAsync(request.AsMemory(0, request.Length + Math.Min(moment, 0)), Cancellation);
        for (var i = 0; i < moment * 100; i++)
        {
            await Task.Yield();
        }
    }

    private static async Task UntilNothingIsWrittenAsync(NpgsqlDataSource source)
    {
        var quiet = 0L;
        using var bound = new CancellationTokenSource(Bound);
        do
        {
            await using var command = source.CreateCommand("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'OrderPlatform.Api' AND state <> 'idle'");
            quiet = (long)(await command.ExecuteScalarAsync(bound.Token))!;
        }
        while (quiet > 0);
    }

    private static async Task<long> CountAsync(NpgsqlDataSource source, string sql, object parameter)
    {
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
