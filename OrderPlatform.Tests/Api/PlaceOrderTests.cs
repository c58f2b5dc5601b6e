using System.Net;
using System.Net.Http.Headers;
using System.Text;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public class PlaceOrderTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_is_answered_with_its_place_its_version_and_the_total_computed_here()
    {
        var api = await ApiAsync();

        using var response = await api.SendAsync(Post("/orders", TwoCds), Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        var order = await response.ReadObjectAsync();
        response.Headers.Location!.ToString().ShouldBe($"/orders/{order["id"]}");
        response.Headers.ETag!.ToString().ShouldBe("\"1\"");
        order["totalAmount"]!.ToJsonString().ShouldBe("23.54");
        order["status"]!.ToJsonString().ShouldBe("\"Pending\"");
        order["version"]!.ToJsonString().ShouldBe("1");
        order.Select(field => field.Key).ShouldBe(["id", "customerId", "currency", "status", "totalAmount", "version", "items", "createdAt", "updatedAt"]);
        ((string)order["createdAt"]!).ShouldEndWith("Z");

        (await api.GetStringAsync(response.Headers.Location, Cancellation)).ShouldBe(await response.Content.ReadAsStringAsync(Cancellation));
    }

    [Fact]
    public async Task The_same_key_gives_the_same_answer_byte_for_byte_and_one_order()
    {
        var api = await ApiAsync();
        var key = Guid.NewGuid().ToString();
        var customer = "c-" + key;
        var body = TwoCds.Replace("c-1", customer, StringComparison.Ordinal);

        using var first = await api.SendAsync(Post("/orders", body, key), Cancellation);
        using var second = await api.SendAsync(Post("/orders", body, key), Cancellation);

        second.StatusCode.ShouldBe(HttpStatusCode.Created);
        second.Headers.ETag.ShouldBe(first.Headers.ETag);
        second.Headers.Location.ShouldBe(first.Headers.Location);
        (await second.Content.ReadAsByteArrayAsync(Cancellation)).ShouldBe(await first.Content.ReadAsByteArrayAsync(Cancellation));
        (await OrdersOfAsync(api, customer)).ShouldBe(1);
    }

    [Fact]
    public async Task Two_hundred_at_once_with_one_key_make_one_order()
    {
        var api = await ApiAsync();
        var key = Guid.NewGuid().ToString();
        var customer = "c-" + key;
        var body = TwoCds.Replace("c-1", customer, StringComparison.Ordinal);

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ =>
        {
            while (true)
            {
                using var response = await api.SendAsync(Post("/orders", body, key), Cancellation);
                if (response.StatusCode != HttpStatusCode.Conflict)
                {
                    response.StatusCode.ShouldBe(HttpStatusCode.Created);
                    return await response.Content.ReadAsStringAsync(Cancellation);
                }
                response.Headers.RetryAfter.ShouldNotBeNull();
            }
        }));

        answers.Distinct().Count().ShouldBe(1);
        (await OrdersOfAsync(api, customer)).ShouldBe(1);
    }

    [Fact]
    public async Task A_key_used_for_something_else_is_refused()
    {
        var api = await ApiAsync();
        var key = Guid.NewGuid().ToString();
        using var first = await api.SendAsync(Post("/orders", TwoCds, key), Cancellation);

        using var second = await api.SendAsync(Post("/orders", TwoCds.Replace("11.77", "11.78", StringComparison.Ordinal), key), Cancellation);

        second.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("tab\there")]
    [InlineData(256)]
    public async Task A_missing_or_unusable_idempotency_key_is_refused(object? key)
    {
        var api = await ApiAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/orders") { Content = Json(TwoCds) };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key is int length ? new string('k', length) : (string)key);
        }

        using var response = await api.SendAsync(request, Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("""{"currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":"","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":"a\u0000b","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":"\ud800","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":7,"currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":"c","currency":"usd","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "currency")]
    [InlineData("""{"customerId":"c","currency":"USD"}""", "items")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[]}""", "items")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[null]}""", "items[0]")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":0,"unitPrice":1}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1.5,"unitPrice":1}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":9999999999,"unitPrice":1}]}""", "items[0].quantity")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":-0.01}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1.001}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1e300}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":"1"}]}""", "items[0].unitPrice")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1000,"unitPrice":1000000},{"productId":"p","quantity":1,"unitPrice":0.01}]}""", "items")]
    [InlineData("""{"customerId":"c","currency":"USD","colour":"red","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "colour")]
    [InlineData("""{"customerId":"c","customerId":"d","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "customerId")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}],"occurredAt":"1997-01-01"}""", "occurredAt")]
    [InlineData("""{"customerId":"c","currency":"USD","items":[{"productId":"p","quantity":1,"unitPrice":1}],"occurredAt":"2999-01-01T00:00:00Z"}""", "occurredAt")]
    [InlineData("""null""", "$")]
    [InlineData("""{""", "$")]
    [InlineData("", "$")]
    public async Task A_wrong_field_is_named_and_nothing_is_written(string body, string field)
    {
        var api = await ApiAsync();

        using var response = await api.SendAsync(Post("/orders", body), Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await response.ReadObjectAsync())["errors"]!.AsObject().Select(error => error.Key).ShouldBe([field]);
    }

    [Fact]
    public async Task Bodies_beyond_the_bounds_are_refused()
    {
        var api = await ApiAsync();
        var line = """{"productId":"p","quantity":1,"unitPrice":1}""";

        using var tooMany = await api.SendAsync(Post("/orders", $$"""{"customerId":"c","currency":"USD","items":[{{string.Join(',', Enumerable.Repeat(line, 501))}}]}"""), Cancellation);
        using var tooLarge = await api.SendAsync(Post("/orders", new string(' ', (256 * 1024) + 1) + TwoCds), Cancellation);
        using var invalidUtf8 = Post("/orders", TwoCds);
        invalidUtf8.Content = new ByteArrayContent([.. Encoding.UTF8.GetBytes(TwoCds), 0xFF]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        using var notUtf8 = await api.SendAsync(invalidUtf8, Cancellation);
        using var textRequest = Post("/orders", TwoCds);
        textRequest.Content = new StringContent(TwoCds, Encoding.UTF8, "text/plain");
        using var notJson = await api.SendAsync(textRequest, Cancellation);

        tooMany.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        tooLarge.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        notUtf8.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        notJson.StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task An_imported_order_stands_at_its_own_date_and_is_delivered()
    {
        var api = await ApiAsync();
        var body = TwoCds.TrimEnd('}') + ""","occurredAt":"1997-01-01T00:00:00Z"}""";

        using var response = await api.SendAsync(Post("/orders", body), Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        var order = await response.ReadObjectAsync();
        order["createdAt"]!.ToJsonString().ShouldBe("\"1997-01-01T00:00:00Z\"");
        order["status"]!.ToJsonString().ShouldBe("\"Delivered\"");
        using var before = await api.GetAsync($"/orders/{order["id"]}?asOf=1996-12-31T23:59:59Z", Cancellation);
        before.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var after = await api.GetAsync($"/orders/{order["id"]}?asOf=1997-01-01T00:00:00Z", Cancellation);
        (await after.ReadObjectAsync()).ToJsonString().ShouldBe(order.ToJsonString());
    }

    [Fact]
    public async Task Without_a_key_nobody_gets_in()
    {
        var api = await ApiAsync();
        using var stranger = new HttpClient(new SocketsHttpHandler()) { BaseAddress = api.BaseAddress };

        using var response = await stranger.SendAsync(Post("/orders", TwoCds), Cancellation);

        response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    /// <summary>The Api that is asked.</summary>
    protected virtual Task<HttpClient> ApiAsync() => platform.ApiAsync();

    private static async Task<int> OrdersOfAsync(HttpClient api, string customer)
    {
        using var response = await api.GetAsync($"/orders?customerId={customer}", Cancellation);
        return (await response.ReadObjectAsync())["items"]!.AsArray().Count;
    }
}
