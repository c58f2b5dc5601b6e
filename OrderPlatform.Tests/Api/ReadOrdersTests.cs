using System.Net;
using System.Text.Json.Nodes;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class ReadOrdersTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("\"1\"", HttpStatusCode.NotModified)]
    [InlineData("W/\"1\"", HttpStatusCode.NotModified)]
    [InlineData("\"7\", \"1\"", HttpStatusCode.NotModified)]
    [InlineData("*", HttpStatusCode.NotModified)]
    [InlineData("\"2\"", HttpStatusCode.OK)]
    [InlineData("nonsense", HttpStatusCode.OK)]
    public async Task A_version_that_was_seen_is_not_sent_again(string ifNoneMatch, HttpStatusCode status)
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/orders/{order["id"]}");
        request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);

        using var response = await api.SendAsync(request, Cancellation);

        response.StatusCode.ShouldBe(status);
        response.Headers.ETag!.ToString().ShouldBe("\"1\"");
    }

    [Theory]
    [InlineData("/orders/00000000-0000-0000-0000-000000000000")]
    [InlineData("/orders/x")]
    [InlineData("/orders/%01")]
    [InlineData("/orders/%01/events")]
    [InlineData("/orders/x/events")]
    [InlineData("/orders/00000000-0000-0000-0000-000000000000/events")]
    [InlineData("/orders/%01?asOf=2026-01-01T00:00:00Z")]
    public async Task An_order_that_is_not_there_is_a_404(string path)
    {
        var api = await platform.ApiAsync();

        using var response = await api.GetAsync(path, Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task An_id_is_found_in_capital_letters_with_its_history()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        var id = ((string)order["id"]!).ToUpperInvariant();

        (await api.GetObjectAsync($"/orders/{id}")).ToJsonString().ShouldBe(order.ToJsonString());
        (await api.GetObjectAsync($"/orders/{id}?asOf=2999-01-01T00:00:00Z")).ToJsonString().ShouldBe(order.ToJsonString());
        (await api.GetObjectAsync($"/orders/{id}/events"))["items"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task Pages_hold_every_order_once_newest_first_and_link_to_the_next()
    {
        var api = await platform.ApiAsync();
        var customer = $"c {Guid.NewGuid()} é&";
        var placed = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            placed.Insert(0, (string)(await api.PlaceAsync(customer))["id"]!);
        }

        var seen = new List<string>();
        var next = $"/orders?limit=2&customerId={Uri.EscapeDataString(customer)}";
        var pages = 0;
        while (next is not null)
        {
            using var response = await api.GetAsync(next, Cancellation);
            var page = await response.ReadObjectAsync();
            seen.AddRange(page["items"]!.AsArray().Select(order => (string)order!["id"]!));
            var link = response.Headers.TryGetValues("Link", out var links) ? links.Single() : null;
            (link is null).ShouldBe(page["nextCursor"] is null);
            next = link?.Split('>')[0].TrimStart('<');
            pages++;
        }

        seen.ShouldBe(placed);
        pages.ShouldBe(3);
    }

    [Fact]
    public async Task Lists_are_filtered_by_status_and_time()
    {
        var api = await platform.ApiAsync();
        var customer = "c-" + Guid.NewGuid();
        var first = await api.PlaceAsync(customer);
        var second = await api.PlaceAsync(customer);
        using var cancelled = await api.SendAsync(Post($"/orders/{second["id"]}/cancel", ""), Cancellation);

        (await IdsAsync($"customerId={customer}&status=Pending")).ShouldBe([(string)first["id"]!]);
        (await IdsAsync($"customerId={customer}&status=Cancelled")).ShouldBe([(string)second["id"]!]);
        (await IdsAsync($"customerId={customer}&from={second["createdAt"]}")).ShouldBe([(string)second["id"]!]);
        (await IdsAsync($"customerId={customer}&to={second["createdAt"]}")).ShouldBe([(string)first["id"]!]);

        async Task<IEnumerable<string>> IdsAsync(string query) =>
            (await api.GetObjectAsync($"/orders?{query}"))["items"]!.AsArray().Select(order => (string)order!["id"]!);
    }

    [Theory]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=201", "limit")]
    [InlineData("limit=ten", "limit")]
    [InlineData("limit=99999999999", "limit")]
    [InlineData("limit=", "limit")]
    [InlineData("status=pending", "status")]
    [InlineData("status=7", "status")]
    [InlineData("from=yesterday", "from")]
    [InlineData("to=2026-01-01T00:00:00", "to")]
    [InlineData("cursor=%00", "cursor")]
    [InlineData("cursor=abc", "cursor")]
    [InlineData("cursor=MTIz", "cursor")]
    [InlineData("customerId=%00", "customerId")]
    [InlineData("customerId=", "customerId")]
    public async Task A_wrong_parameter_is_named(string query, string field)
    {
        var api = await platform.ApiAsync();

        using var response = await api.GetAsync($"/orders?{query}", Cancellation);

        var problem = await response.ShouldBeProblemAsync(HttpStatusCode.BadRequest);
        problem["errors"]!.AsObject().Select(error => error.Key).ShouldBe([field]);
    }

    [Fact]
    public async Task History_is_paged_without_gaps()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        for (var version = 1; version <= 4; version++)
        {
            using var changed = await api.SendAsync(Patch($"/orders/{order["id"]}/items", $$"""{"items":[{"productId":"p","quantity":{{version}},"unitPrice":1}]}""", $"\"{version}\""), Cancellation);
            changed.StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        var sequences = new List<int>();
        string? cursor = null;
        do
        {
            var page = await api.GetObjectAsync($"/orders/{order["id"]}/events?limit=2{(cursor is null ? "" : "&cursor=" + cursor)}");
            sequences.AddRange(page["items"]!.AsArray().Select(happened => (int)happened!["sequence"]!));
            page["items"]!.AsArray().ShouldAllBe(happened => happened!["data"]!["orderId"]!.ToString() == order["id"]!.ToString());
            cursor = (string?)page["nextCursor"];
        }
        while (cursor is not null);

        sequences.ShouldBe([1, 2, 3, 4, 5]);
        JsonObject first = (JsonObject)(await api.GetObjectAsync($"/orders/{order["id"]}/events"))["items"]![0]!;
        first.Select(field => field.Key).ShouldBe(["id", "type", "sequence", "occurredAt", "data"]);
        ((string)first["type"]!).ShouldBe("OrderCreated.v1");
    }
}
