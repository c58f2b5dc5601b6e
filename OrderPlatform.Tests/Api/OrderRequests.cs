using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace OrderPlatform.Tests.Api;

/// <summary>Requests as a client of the Api writes them.</summary>
internal static class OrderRequests
{
    public const string TwoCds = """{"customerId":"c-1","currency":"USD","items":[{"productId":"cd-1177","quantity":2,"unitPrice":11.77}]}""";

    public static HttpRequestMessage Post(string path, string body, string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(body) };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        return request;
    }

    public static HttpRequestMessage Patch(string path, string body, string? ifMatch) => Changing(HttpMethod.Patch, path, body, ifMatch);

    public static HttpRequestMessage Put(string path, string body, string? ifMatch = null) => Changing(HttpMethod.Put, path, body, ifMatch);

    private static HttpRequestMessage Changing(HttpMethod method, string path, string body, string? ifMatch)
    {
        var request = new HttpRequestMessage(method, path) { Content = Json(body) };
        if (ifMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        }
        return request;
    }

    /// <summary>Places an order of two CDs and gives the answer.</summary>
    public static async Task<JsonObject> PlaceAsync(this HttpClient api, string customer = "c-1")
    {
        using var response = await api.SendAsync(Post("/orders", TwoCds.Replace("c-1", customer, StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        return await response.ReadObjectAsync();
    }

    public static async Task<JsonObject> GetObjectAsync(this HttpClient api, string path)
    {
        using var response = await api.GetAsync(path, TestContext.Current.CancellationToken);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        return await response.ReadObjectAsync();
    }

    /// <summary>The answer is a problem of that status; gives it.</summary>
    public static async Task<JsonObject> ShouldBeProblemAsync(this HttpResponseMessage response, HttpStatusCode status)
    {
        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var problem = await response.ReadObjectAsync();
        ((int)problem["status"]!).ShouldBe((int)status);
        ((string)problem["detail"]!).ShouldNotBeEmpty();
        return problem;
    }

    public static async Task<JsonObject> ReadObjectAsync(this HttpResponseMessage response) =>
        (JsonObject)JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;

    public static StringContent Json(string body) => new(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
}
