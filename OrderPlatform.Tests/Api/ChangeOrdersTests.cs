using System.Net;
using System.Text.Json.Nodes;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class ChangeOrdersTests(PlatformFixture platform)
{
    private const string ThreeTapes = """{"items":[{"productId":"tape-1","quantity":3,"unitPrice":2.50},{"productId":"cd-1177","quantity":1,"unitPrice":11.77}]}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Changed_items_make_a_new_version_and_an_event_of_the_differences()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();

        using var response = await api.SendAsync(Patch($"/orders/{order["id"]}/items", ThreeTapes, "\"1\""), Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Headers.ETag!.ToString().ShouldBe("\"2\"");
        var changed = await response.ReadObjectAsync();
        changed["totalAmount"]!.ToJsonString().ShouldBe("19.27");
        changed["version"]!.ToJsonString().ShouldBe("2");
        var data = await LastEventAsync(api, order);
        data["ordersDifference"]!.ToJsonString().ShouldBe("0");
        data["amountDifference"]!.ToJsonString().ShouldBe("-4.27");
        data["products"]!.ToJsonString().ShouldBe("""[{"productId":"cd-1177","quantity":-1,"amount":-11.77},{"productId":"tape-1","quantity":3,"amount":7.50}]""");
    }

    [Theory]
    [InlineData(null, HttpStatusCode.PreconditionRequired)]
    [InlineData("\"2\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("W/\"1\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("1", HttpStatusCode.PreconditionFailed)]
    [InlineData("*", HttpStatusCode.OK)]
    [InlineData("\"7\", \"1\"", HttpStatusCode.OK)]
    public async Task A_change_needs_the_version_that_it_is_based_on(string? ifMatch, HttpStatusCode status)
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();

        using var response = await api.SendAsync(Patch($"/orders/{order["id"]}/items", ThreeTapes, ifMatch), Cancellation);

        response.StatusCode.ShouldBe(status);
    }

    [Fact]
    public async Task Of_changes_at_once_that_are_based_on_one_version_one_is_done()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            using var response = await api.SendAsync(Patch($"/orders/{order["id"]}/items", ThreeTapes, "\"1\""), Cancellation);
            return response.StatusCode;
        }));

        answers.Count(status => status == HttpStatusCode.OK).ShouldBe(1);
        answers.Count(status => status == HttpStatusCode.PreconditionFailed).ShouldBe(19);
    }

    [Fact]
    public async Task Only_a_pending_order_is_changed()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var cancelled = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", ""), Cancellation);

        using var response = await api.SendAsync(Patch($"/orders/{order["id"]}/items", ThreeTapes, cancelled.Headers.ETag!.ToString()), Cancellation);
        using var nobody = await api.SendAsync(Patch($"/orders/{Guid.NewGuid()}/items", ThreeTapes, "\"1\""), Cancellation);
        using var wrong = await api.SendAsync(Patch($"/orders/{order["id"]}/items", """{"items":[]}""", "\"1\""), Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.Conflict);
        await nobody.ShouldBeProblemAsync(HttpStatusCode.NotFound);
        await wrong.ShouldBeProblemAsync(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("{}", null)]
    [InlineData("""{"reason":"changed my mind"}""", "changed my mind")]
    public async Task A_cancelled_order_takes_its_sales_back_and_stays_cancelled(string body, string? reason)
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();

        using var first = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", body), Cancellation);
        using var again = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", ""), Cancellation);

        first.StatusCode.ShouldBe(HttpStatusCode.OK);
        again.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await again.ReadObjectAsync()).ToJsonString().ShouldBe((await first.ReadObjectAsync()).ToJsonString());
        ((string)(await first.ReadObjectAsync())["status"]!).ShouldBe("Cancelled");
        var data = await LastEventAsync(api, order);
        ((string?)data["reason"]).ShouldBe(reason);
        data["ordersDifference"]!.ToJsonString().ShouldBe("-1");
        data["amountDifference"]!.ToJsonString().ShouldBe("-23.54");
        data["products"]!.ToJsonString().ShouldBe("""[{"productId":"cd-1177","quantity":-2,"amount":-23.54}]""");
    }

    [Fact]
    public async Task A_delivered_order_is_not_cancelled()
    {
        var api = await platform.ApiAsync();
        using var imported = await api.SendAsync(Post("/orders", TwoCds.TrimEnd('}') + ""","occurredAt":"1997-01-01T00:00:00Z"}"""), Cancellation);
        var order = await imported.ReadObjectAsync();

        using var response = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", ""), Cancellation);
        using var nobody = await api.SendAsync(Post($"/orders/{Guid.NewGuid()}/cancel", ""), Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.Conflict);
        await nobody.ShouldBeProblemAsync(HttpStatusCode.NotFound);
        (await api.GetObjectAsync($"/orders/{order["id"]}"))["version"]!.ToJsonString().ShouldBe("1");
    }

    private static async Task<JsonObject> LastEventAsync(HttpClient api, JsonObject order) =>
        (JsonObject)(await api.GetObjectAsync($"/orders/{order["id"]}/events"))["items"]!.AsArray()[^1]!["data"]!;
}
