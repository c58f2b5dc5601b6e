using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class NastyRequestTests(PlatformFixture platform)
{
    private static readonly string[] Nasty =
    [
        "", " ", "null", "true", "7", "-1", "1e400", "\"text\"", "[]", "[[]]", "{}", "{{", "\u0000", "\uFEFF{}", "{\"\\u0000\":1}", "{\"a\":\"\\ud800\"}",
        "{\"customerId\":\"\\udfff\\ud800\"}", "{\"items\":{}}", "{\"items\":[[]]}", "{\"items\":[7]}", "{\"reason\":\"\\u0000\"}", "{\"reason\":7}", "{\"reason\":\"\\ud800\"}",
        "{\"quantity\":1e999}", "{\"quantity\":99999999999999999999999999999999}", "{\"occurredAt\":\"0000-00-00T00:00:00Z\"}", "{\"name\":\"\\u0000\"}", "{\"price\":1e-400}",
        new string('[', 100_000), string.Concat(Enumerable.Repeat("{\"a\":", 50_000)), $"[{string.Join(',', Enumerable.Repeat("0", 100_000))}]",
        TwoCds.Replace("11.77", new string('9', 1000), StringComparison.Ordinal), TwoCds.Replace("c-1", new string('c', 100_000), StringComparison.Ordinal),
        TwoCds.Replace("USD", "ÜSD", StringComparison.Ordinal), TwoCds.TrimEnd('}') + ",\"occurredAt\":\"0001-01-01T00:00:00Z\"}", TwoCds.TrimEnd('}') + ",\"occurredAt\":\"9999-12-31T23:59:59.9999999Z\"}",
    ];

    private static readonly string[] NastyTexts =
    [
        "%00", "%ED%A0%80", "%FF", "%2e%2e%2f", "..", "'", "%27%20OR%201=1", "%F0%9F%98%80", "-1", "0", "1e9", "99999999999999999999", "null", "%0D%0A", "%25", "+", new string('a', 4000),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("POST", "/orders")]
    [InlineData("POST", "/orders/{id}/cancel")]
    [InlineData("PATCH", "/orders/{id}/items")]
    [InlineData("PUT", "/products/cd-1177")]
    [InlineData("POST", "/inventory/cd-1177/receipts")]
    [InlineData("POST", "/customers")]
    [InlineData("PATCH", "/customers/nobody")]
    public async Task Whatever_the_body_the_answer_is_clear(string method, string path)
    {
        var api = await platform.ApiAsync();
        path = path.Replace("{id}", (string)(await api.PlaceAsync())["id"]!, StringComparison.Ordinal);
        foreach (var body in Nasty)
        {
            foreach (var type in (string[])["application/json", "application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", "nonsense"])
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
                request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
                request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
                request.Headers.TryAddWithoutValidation("If-Match", "*");

                using var response = await api.SendAsync(request, Cancellation);

                await ShouldBeClearAsync(response, $"{method} {path} {type} {body[..Math.Min(100, body.Length)]}");
            }
        }
    }

    [Theory]
    [InlineData("/orders/{0}")]
    [InlineData("/orders/{0}/events")]
    [InlineData("/orders/{0}?asOf=2026-01-01T00:00:00Z")]
    [InlineData("/orders?customerId={0}")]
    [InlineData("/orders?cursor={0}")]
    [InlineData("/orders?status={0}&limit={0}")]
    [InlineData("/orders?from={0}&to={0}")]
    [InlineData("/orders?{0}={0}")]
    [InlineData("/products/{0}")]
    [InlineData("/products?cursor={0}&limit={0}")]
    [InlineData("/inventory/{0}")]
    [InlineData("/customers/{0}")]
    [InlineData("/orders/{0}/stream")]
    [InlineData("/orders/{0}/status")]
    [InlineData("/orders/search?q={0}&cursor={0}&limit={0}")]
    [InlineData("/orders/search?q={0}")]
    [InlineData("/analytics/sales?grain=day&from={0}&to={0}&currency={0}")]
    [InlineData("/analytics/rankings/{0}")]
    [InlineData("/analytics/rankings/products?window={0}&limit={0}&currency={0}")]
    [InlineData("/{0}")]
    public async Task Whatever_the_path_and_the_query_the_answer_is_clear(string form)
    {
        var api = await platform.ApiAsync();
        foreach (var text in NastyTexts)
        {
            var target = form.Replace("{0}", text, StringComparison.Ordinal);

            var status = await RawStatusAsync(api, $"GET {target} HTTP/1.1\r\n");

            status.ShouldBeInRange(200, 499, target);
        }
    }

    [Fact]
    public async Task Whatever_the_headers_the_answer_is_clear()
    {
        var api = await platform.ApiAsync();
        var path = $"/orders/{(await api.PlaceAsync())["id"]}";
        foreach (var value in (string[])["", "\"", "W/", "*, *", "\u0000", "\u0001", "é", "\"1\",,\"2\"", new string('x', 8000), string.Join(',', Enumerable.Repeat("\"1\"", 1000))])
        {
            foreach (var header in (string[])["If-None-Match", "If-Match", "Idempotency-Key", "Accept", "Content-Type", "Last-Event-ID", "traceparent"])
            {
                var target = header is "If-Match" or "Idempotency-Key" or "Content-Type" ? $"POST {path}/cancel" : $"GET {path}";

                var status = await RawStatusAsync(api, $"{target} HTTP/1.1\r\n{header}: {value}\r\n");

                status.ShouldBeInRange(200, 499, $"{header}: {value}");
            }
        }
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/html")]
    public async Task What_is_not_there_is_a_problem_too(string accept)
    {
        var api = await platform.ApiAsync();
        using var nowhere = new HttpRequestMessage(HttpMethod.Get, "/nowhere") { Headers = { Accept = { new MediaTypeWithQualityHeaderValue(accept) } } };
        using var deleting = new HttpRequestMessage(HttpMethod.Delete, "/orders") { Headers = { Accept = { new MediaTypeWithQualityHeaderValue(accept) } } };

        using var notFound = await api.SendAsync(nowhere, Cancellation);
        using var notAllowed = await api.SendAsync(deleting, Cancellation);

        await notFound.ShouldBeProblemAsync(HttpStatusCode.NotFound);
        await notAllowed.ShouldBeProblemAsync(HttpStatusCode.MethodNotAllowed);
        notAllowed.Content.Headers.Allow.ShouldBe(["GET", "POST"], ignoreOrder: true);
    }

    private static async Task ShouldBeClearAsync(HttpResponseMessage response, string request)
    {
        ((int)response.StatusCode).ShouldBeInRange(200, 499, request);
        if (!response.IsSuccessStatusCode)
        {
            await response.ShouldBeProblemAsync(response.StatusCode);
        }
    }

    /// <summary>Sends a head that HttpClient would refuse to send, and gives the status of the answer.</summary>
    private static async Task<int> RawStatusAsync(HttpClient api, string head)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(api.BaseAddress!.Host, api.BaseAddress.Port, Cancellation);
        var apiKey = api.DefaultRequestHeaders.GetValues("X-Api-Key").Single();
        var request = Encoding.UTF8.GetBytes($"{head}Host: localhost\r\nX-Api-Key: {apiKey}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        await client.GetStream().WriteAsync(request, Cancellation);
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1);
        var line = await reader.ReadLineAsync(Cancellation);
        return int.Parse(line.ShouldNotBeNull(head).Split(' ')[1]);
    }
}
