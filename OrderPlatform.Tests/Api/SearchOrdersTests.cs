using System.Net;
using System.Text.Json.Nodes;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class SearchOrdersTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Finds_by_customer_product_order_id_status_and_parts_of_them_newest_first()
    {
        var api = await platform.ApiAsync();
        var mark = Guid.NewGuid().ToString("N")[..10];
        var older = await PlaceAsync(api, $"Customer-{mark}", $"lamp-{mark}", "CHF");
        var newer = await PlaceAsync(api, $"Customer-{mark}", $"chair-{mark}", "CHF");
        (await api.SendAsync(Post($"/orders/{older}/cancel", "{}"), Cancellation)).EnsureSuccessStatusCode();
        await FoundAsync(api, $"{mark} cancelled", [older]);

        await FoundAsync(api, $"customer-{mark}", [newer, older]);
        await FoundAsync(api, mark[2..8], [newer, older]);
        await FoundAsync(api, $"LAMP-{mark}", [older]);
        await FoundAsync(api, newer, [newer]);
        await FoundAsync(api, newer[..30], [newer]);
        await FoundAsync(api, $"{mark} pending chf chair", [newer]);
        await FoundAsync(api, $"{mark} chair lamp", []);
        await FoundAsync(api, $"{mark}%", []);
        await FoundAsync(api, $"{mark[..4]}_{mark[5..]}", []);
        await FoundAsync(api, $"' OR 1=1 -- {mark}", []);
    }

    [Fact]
    public async Task Pages_follow_each_other_without_a_gap()
    {
        var api = await platform.ApiAsync();
        var mark = Guid.NewGuid().ToString("N")[..10];
        var placed = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            placed.Insert(0, await PlaceAsync(api, mark, "p-1", "USD"));
        }
        await FoundAsync(api, mark, placed);

        var found = new List<string>();
        for (string? cursor = null; ;)
        {
            var page = await PageAsync(api, $"q={mark}&limit=2" + (cursor is null ? "" : "&cursor=" + cursor));
            found.AddRange(IdsOf(page));
            if ((cursor = (string?)page["nextCursor"]) is null)
            {
                break;
            }
        }
        found.ShouldBe(placed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("q=")]
    [InlineData("q=%20%20")]
    [InlineData("q=a%00b")]
    [InlineData("q=x&limit=0")]
    [InlineData("q=x&limit=201")]
    [InlineData("q=x&cursor=x")]
    public async Task A_question_that_cannot_be_asked_is_refused(string query) =>
        (await (await platform.ApiAsync()).GetAsync("/orders/search?" + query, Cancellation)).StatusCode.ShouldBe(HttpStatusCode.BadRequest);

    [Fact]
    public async Task A_question_may_have_200_characters_and_no_more()
    {
        var api = await platform.ApiAsync();

        (await api.GetAsync("/orders/search?q=" + new string('x', 200), Cancellation)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await api.GetAsync("/orders/search?q=" + new string('x', 201), Cancellation)).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    private static async Task<string> PlaceAsync(HttpClient api, string customer, string product, string currency)
    {
        using var response = await api.SendAsync(Post("/orders", $$"""{"customerId":"{{customer}}","currency":"{{currency}}","items":[{"productId":"{{product}}","quantity":1,"unitPrice":5}]}"""), Cancellation);
        return (string)(await response.ReadObjectAsync())["id"]!;
    }

    private static async Task FoundAsync(HttpClient api, string question, IReadOnlyList<string> expected)
    {
        var found = new List<string>();
        await Eventually.TrueAsync(
            () => (found = IdsOf(PageAsync(api, "q=" + Uri.EscapeDataString(question)).GetAwaiter().GetResult())).SequenceEqual(expected),
            TimeSpan.FromSeconds(20), () => $"{question}: found {string.Join(' ', found)}, not {string.Join(' ', expected)}", Cancellation);
    }

    private static async Task<JsonObject> PageAsync(HttpClient api, string query)
    {
        using var response = await api.GetAsync("/orders/search?" + query, Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        return await response.ReadObjectAsync();
    }

    private static List<string> IdsOf(JsonObject page) => [.. page["items"]!.AsArray().Select(item => (string)item!["id"]!)];
}
