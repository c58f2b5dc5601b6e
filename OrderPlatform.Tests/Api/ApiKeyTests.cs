using System.Net;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class ApiKeyTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_key_may_do_what_its_scopes_say_and_no_more()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var reader = await platform.ApiAsync(["orders:read"]);
        using var writer = await platform.ApiAsync(["orders:write"]);
        var past = TwoCds.TrimEnd('}') + ""","occurredAt":"1997-01-01T00:00:00Z"}""";

        (await reader.GetObjectAsync($"/orders/{order["id"]}"))["id"]!.ToString().ShouldBe(order["id"]!.ToString());
        using var written = await reader.SendAsync(Post("/orders", TwoCds), Cancellation);
        using var read = await writer.GetAsync($"/orders/{order["id"]}", Cancellation);
        using var imported = await writer.SendAsync(Post("/orders", past), Cancellation);

        await written.ShouldBeProblemAsync(HttpStatusCode.Forbidden);
        await read.ShouldBeProblemAsync(HttpStatusCode.Forbidden);
        await imported.ShouldBeProblemAsync(HttpStatusCode.Forbidden);
        (await writer.PlaceAsync())["status"]!.ToString().ShouldBe("Pending");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("not-a-key")]
    [InlineData("é\u0080")]
    public async Task An_unknown_key_is_told_how_to_get_in(string? key)
    {
        using var stranger = new HttpClient(new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 }) { BaseAddress = (await platform.ApiAsync()).BaseAddress };
        if (key is not null)
        {
            stranger.DefaultRequestHeaders.TryAddWithoutValidation("X-Api-Key", key);
        }

        using var response = await stranger.GetAsync("/orders", Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up()
    {
        using var hasty = await platform.ApiAsync(["orders:read"], requestsPerSecond: 1);
        var answers = new List<HttpResponseMessage>();
        for (var i = 0; i < 5; i++)
        {
            answers.Add(await hasty.GetAsync("/orders?limit=1", Cancellation));
        }

        answers[0].StatusCode.ShouldBe(HttpStatusCode.OK);
        var refused = answers.First(answer => answer.StatusCode != HttpStatusCode.OK);
        await refused.ShouldBeProblemAsync(HttpStatusCode.TooManyRequests);
        refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds.ShouldBeGreaterThanOrEqualTo(1);
        using var other = await (await platform.ApiAsync()).GetAsync("/orders?limit=1", Cancellation);
        other.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}

/// <summary>Callers with a key of their own.</summary>
internal static class ApiKeys
{
    /// <summary>The Api with a new key of those scopes.</summary>
    public static async Task<HttpClient> ApiAsync(this PlatformFixture platform, string[] scopes, int requestsPerSecond = 1000)
    {
        var key = Guid.NewGuid().ToString();
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var command = source.CreateCommand("INSERT INTO api_keys (hash, name, scopes, requests_per_second) VALUES ($1, $2, $3, $4)");
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = SHA256.HashData(Encoding.UTF8.GetBytes(key)) }, new() { Value = $"test {key}" }, new() { Value = scopes }, new() { Value = requestsPerSecond }]);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = (await platform.ApiAsync()).BaseAddress };
        api.DefaultRequestHeaders.Add("X-Api-Key", key);
        return api;
    }
}
