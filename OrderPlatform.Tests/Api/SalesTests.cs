using System.Net;
using System.Text.Json.Nodes;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>The analytics of sales, from the POST to the answer. Each test has a currency of its own.</summary>
public sealed class SalesTests(PlatformFixture platform)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Orders_are_booked_on_their_own_date_as_they_are_now()
    {
        var api = await platform.ApiAsync();
        await PlaceAsync(api, "QQA", "11.10", "1997-01-01T00:00:00Z");
        await PlaceAsync(api, "QQA", "11.11", "1997-01-01T23:59:59.999999Z");
        await PlaceAsync(api, "QQA", "0", "1997-01-02T00:00:00Z");
        await PlaceAsync(api, "QQA", "0.01", "1996-12-31T23:59:59Z");
        await PlaceAsync(api, "QQA", "5", "1997-02-01T00:00:00Z");

        var answer = await EventuallyAsync(api, "/analytics/sales?grain=day&from=1996-12-31&to=1997-02-01&currency=QQA", sales => sales["rows"]!.AsArray().Count == 3);

        answer["rows"]!.ToJsonString().ShouldBe(
            """[{"periodStart":"1996-12-31T00:00:00Z","orders":1,"revenue":0.01,"averageOrderValue":0.01},{"periodStart":"1997-01-01T00:00:00Z","orders":2,"revenue":22.21,"averageOrderValue":11.11},{"periodStart":"1997-01-02T00:00:00Z","orders":1,"revenue":0.00,"averageOrderValue":0.00}]""");
        answer.Select(field => field.Key).ShouldBe(["grain", "completeUntil", "rows"]);
        answer["grain"]!.ToJsonString().ShouldBe("\"day\"");
        var hours = await ReadAsync(api, "/analytics/sales?grain=hour&from=1997-01-01T23:00:00Z&to=1997-01-02T00:00:00Z&currency=QQA");
        hours["rows"]!.ToJsonString().ShouldBe("""[{"periodStart":"1997-01-01T23:00:00Z","orders":1,"revenue":11.11,"averageOrderValue":11.11}]""");
    }

    [Fact]
    public async Task A_change_and_a_cancellation_take_back_what_they_must()
    {
        var api = await platform.ApiAsync();
        var kept = await PlaceAsync(api, "QQB", "10");
        var cancelled = await PlaceAsync(api, "QQB", "7.77");
        using var changed = await api.SendAsync(Patch($"/orders/{kept}/items", """{"items":[{"productId":"p","quantity":3,"unitPrice":2.05}]}""", "\"1\""), Cancellation);
        changed.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var cancel = await api.SendAsync(Post($"/orders/{cancelled}/cancel", "{}"), Cancellation);
        cancel.StatusCode.ShouldBe(HttpStatusCode.OK);

        var answer = await EventuallyAsync(api, "/analytics/sales?grain=day&currency=QQB", sales => sales["rows"]!.AsArray() is [{ } row] && (decimal)row["revenue"]! == 6.15m);

        answer["rows"]![0]!["orders"]!.ToJsonString().ShouldBe("1");
        using var cancelAgain = await api.SendAsync(Post($"/orders/{kept}/cancel", "{}"), Cancellation);
        // a period without orders is left out
        await EventuallyAsync(api, "/analytics/sales?grain=hour&currency=QQB", sales => sales["rows"]!.AsArray().Count == 0);
        var statuses = await ReadAsync(api, "/analytics/status");
        statuses.Select(field => field.Key).ShouldBe(["completeUntil", "rows"]);
        statuses["rows"]!.AsArray().Select(row => (string)row!["status"]!).ShouldContain("Cancelled");
        statuses["rows"]!.AsArray().ShouldAllBe(row => (long)row!["orders"]! > 0);
    }

    [Fact]
    public async Task What_is_said_to_be_complete_holds_every_order_written_before()
    {
        var api = await platform.ApiAsync();
        var order = await PlaceAsync(api, "QQC", "1");
        using var read = await api.GetAsync($"/orders/{order}", Cancellation);
        var createdAt = (DateTimeOffset)(await read.ReadObjectAsync())["createdAt"]!;

        var answer = await EventuallyAsync(api, "/analytics/sales?grain=day&currency=QQC", sales => sales["completeUntil"] is { } until && (DateTimeOffset)until > createdAt + TimeSpan.FromSeconds(1));

        answer["rows"]!.AsArray().Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("", "grain")]
    [InlineData("grain=week", "grain")]
    [InlineData("grain=day&from=yesterday", "from")]
    [InlineData("grain=day&from=1997-13-01", "from")]
    [InlineData("grain=day&to=1997-01-01T00:00:00", "to")]
    [InlineData("grain=day&from=1998-01-01&to=1997-01-01", "from")]
    [InlineData("grain=day&currency=usd", "currency")]
    public async Task A_question_that_makes_no_sense_is_refused_by_name(string query, string field)
    {
        var api = await platform.ApiAsync();

        using var response = await api.GetAsync("/analytics/sales?" + query, Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await response.ReadObjectAsync())["errors"]!.AsObject().Select(error => error.Key).ShouldBe([field]);
    }

    [Theory]
    [InlineData("from=0001-01-01&to=9999-12-31")]
    [InlineData("to=0001-01-01")]
    [InlineData("from=1997-01-01&to=1997-01-01")]
    public async Task The_ends_of_time_are_times_too(string query)
    {
        var api = await platform.ApiAsync();

        (await ReadAsync(api, "/analytics/sales?grain=day&currency=QQZ&" + query))["rows"]!.AsArray().ShouldBeEmpty();
    }

    private static async Task<string> PlaceAsync(HttpClient api, string currency, string price, string? occurredAt = null)
    {
        var past = occurredAt is null ? "" : $$""","occurredAt":"{{occurredAt}}" """;
        using var response = await api.SendAsync(Post("/orders", $$"""{"customerId":"c-1","currency":"{{currency}}","items":[{"productId":"p","quantity":1,"unitPrice":{{price}}}]{{past}}}"""), Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        return (string)(await response.ReadObjectAsync())["id"]!;
    }

    private static async Task<JsonObject> ReadAsync(HttpClient api, string path)
    {
        using var response = await api.GetAsync(path, Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.OK, await response.Content.ReadAsStringAsync(Cancellation));
        return await response.ReadObjectAsync();
    }

    private static async Task<JsonObject> EventuallyAsync(HttpClient api, string path, Func<JsonObject, bool> condition)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (true)
        {
            var answer = await ReadAsync(api, path);
            if (condition(answer))
            {
                return answer;
            }
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, answer.ToJsonString());
            await Task.Delay(50, Cancellation);
        }
    }
}
