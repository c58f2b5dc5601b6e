using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>What can be asked of rebuilds; how they go is tested in Projections/Rebuilding.</summary>
public sealed class RebuildsTests(PlatformFixture platform)
{
    private const string Rankings = """{"projection":"rankings","reason":"test"}""";

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_at_a_time_is_open_for_a_projection_and_it_can_be_cancelled()
    {
        var api = await platform.ApiAsync();
        await using var views = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(await platform.PostgresAsync()) { Database = "views" }.ConnectionString);
        // somebody works on it, it seems, and does not come forward
        var id = (Guid)(await ScalarAsync(views, "INSERT INTO rebuild (id, projection, kind, state, reason, requested_by, events_done, events_total, events_per_second, heartbeat_at) VALUES (gen_random_uuid(), 'rankings', 'rebuild', 'building', 'test', 'test', 250, 1000, 100, 'infinity') RETURNING id"))!;

        var open = await api.GetObjectAsync($"/operations/rebuilds/{id}");
        open["progress"]!.ToJsonString().ShouldBe("""{"eventsDone":250,"eventsTotal":1000,"percent":25,"eventsPerSecond":100,"remainingSeconds":8}""");
        (await (await api.SendAsync(Post("/operations/rebuilds", Rankings), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.Conflict))["detail"]!.GetValue<string>().ShouldContain("rankings");
        await (await api.SendAsync(Post("/operations/projections/rankings/reset", """{"offset":0,"reason":"test"}"""), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.Conflict);
        (await api.SendAsync(Post($"/operations/rebuilds/{id}/cancel", ""), Cancellation)).StatusCode.ShouldBe(HttpStatusCode.Accepted);

        await ScalarAsync(views, $"UPDATE rebuild SET heartbeat_at = '-infinity' WHERE id = '{id}'");
        (await EndAsync(api, $"{id}"))["state"]!.GetValue<string>().ShouldBe("cancelled");
        await (await api.SendAsync(Post($"/operations/rebuilds/{id}/cancel", ""), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_repeated_request_asks_for_one_rebuild_and_the_list_has_it_newest_first()
    {
        var api = await platform.ApiAsync();
        var key = Guid.NewGuid().ToString();
        using var first = await api.SendAsync(Post("/operations/rebuilds", """{"projection":"order-view","reason":"test","onlyCompare":true}""", key), Cancellation);
        using var second = await api.SendAsync(Post("/operations/rebuilds", """{"projection":"order-view","reason":"test","onlyCompare":true}""", key), Cancellation);

        first.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var requested = await first.ReadObjectAsync();
        first.Headers.Location!.ToString().ShouldBe($"/operations/rebuilds/{requested["id"]}");
        ((string)(await second.ReadObjectAsync())["id"]!).ShouldBe((string)requested["id"]!);
        ((string)(await EndAsync(api, (string)requested["id"]!))["state"]!).ShouldBe("done");

        var ids = new List<string>();
        for (string? cursor = null; ;)
        {
            var page = await api.GetObjectAsync("/operations/rebuilds?limit=1" + (cursor is null ? "" : "&cursor=" + cursor));
            ids.AddRange(page["items"]!.AsArray().Select(rebuild => (string)rebuild!["id"]!));
            if ((cursor = (string?)page["nextCursor"]) is null)
            {
                break;
            }
        }
        ids.ShouldBeUnique();
        ids.ShouldContain((string)requested["id"]!);
    }

    [Theory]
    [InlineData("/operations/rebuilds", """{"projection":"orders","reason":"test"}""", "projection")]
    [InlineData("/operations/rebuilds", """{"reason":"test"}""", "projection")]
    [InlineData("/operations/rebuilds", """{"projection":"rankings"}""", "reason")]
    [InlineData("/operations/rebuilds", """{"projection":"rankings","reason":" "}""", "reason")]
    [InlineData("/operations/projections/rankings/reset", """{"reason":"test"}""", "offset")]
    [InlineData("/operations/projections/rankings/reset", """{"reason":"test","offset":-1}""", "offset")]
    [InlineData("/operations/projections/rankings/reset", """{"reason":"test","offset":1,"time":"2026-01-31T12:00:00Z"}""", "offset")]
    public async Task What_is_wrong_is_named(string path, string body, string field)
    {
        var api = await platform.ApiAsync();

        var problem = await (await api.SendAsync(Post(path, body), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.BadRequest);

        problem["errors"]!.AsObject().ShouldHaveSingleItem().Key.ShouldBe(field);
    }

    [Theory]
    [InlineData("GET", "/operations/rebuilds/x")]
    [InlineData("GET", "/operations/rebuilds/0198f6a1-7d3e-7c11-a3f0-2b1c4d5e6f70")]
    [InlineData("POST", "/operations/rebuilds/0198f6a1-7d3e-7c11-a3f0-2b1c4d5e6f70/cancel")]
    [InlineData("POST", "/operations/projections/orders/reset")]
    public async Task What_is_not_there_is_not_found(string method, string path)
    {
        var api = await platform.ApiAsync();
        using var request = method == "GET" ? new HttpRequestMessage(HttpMethod.Get, path) : Post(path, """{"reason":"test","offset":0}""");

        await (await api.SendAsync(request, Cancellation)).ShouldBeProblemAsync(HttpStatusCode.NotFound);
    }

    private static async Task<JsonObject> EndAsync(HttpClient api, string id)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (true)
        {
            var rebuild = await api.GetObjectAsync($"/operations/rebuilds/{id}");
            if (rebuild["finishedAt"] is not null)
            {
                return rebuild;
            }
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, rebuild.ToString());
            await Task.Delay(50, Cancellation);
        }
    }

    private static async Task<object?> ScalarAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation);
    }
}
