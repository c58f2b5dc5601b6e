using System.Net;
using System.Text.Json.Nodes;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>Rankings, live counters, statuses and service levels as callers see them.</summary>
public sealed class DerivedAnswersTests(PlatformFixture platform)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_is_in_the_rankings_the_counters_and_the_statuses_moments_later()
    {
        var api = await platform.ApiAsync();
        // a currency of this test alone
        using var placed = await api.SendAsync(Post("/orders", TwoCds.Replace("USD", "XTS", StringComparison.Ordinal)), Cancellation);
        var id = (string)(await placed.ReadObjectAsync())["id"]!;

        foreach (var window in (string[])["today", "30d", "all"])
        {
            var ranking = new JsonObject();
            await Eventually.TrueAsync(
                () => (ranking = GetAsync(api, $"/analytics/rankings/products?window={window}&currency=XTS").GetAwaiter().GetResult())["rows"]!.AsArray().Count == 1 && (bool)ranking["complete"]!,
                Bound, () => ranking.ToJsonString(), Cancellation);
            ranking["rows"]!.ToJsonString().ShouldBe("""[{"id":"cd-1177","revenue":23.54,"orders":1}]""");
            ranking.Select(field => field.Key).ShouldBe(["window", "completeUntil", "complete", "rows"]);
            ((string)ranking["window"]!).ShouldBe(window);
        }
        var live = await GetAsync(api, "/analytics/live");
        live["today"]!.AsArray().Select(row => row!.ToJsonString()).ShouldContain("""{"id":"XTS","revenue":23.54,"orders":1}""");
        live["statuses"]!.AsArray().Select(row => (string)row!["status"]!).ShouldContain("Pending");
        (await GetAsync(api, $"/orders/{id}/status")).ToJsonString().ShouldBe($$"""{"id":"{{id}}","status":"Pending","version":1}""");
    }

    [Theory]
    [InlineData("/analytics/rankings/products?window=1y", HttpStatusCode.BadRequest)]
    [InlineData("/analytics/rankings/products?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("/analytics/rankings/products?limit=101", HttpStatusCode.BadRequest)]
    [InlineData("/analytics/rankings/products?limit=x", HttpStatusCode.BadRequest)]
    [InlineData("/analytics/rankings/products?currency=usd", HttpStatusCode.BadRequest)]
    [InlineData("/analytics/rankings/shops", HttpStatusCode.NotFound)]
    [InlineData("/orders/none/status", HttpStatusCode.NotFound)]
    [InlineData("/orders/00000000-0000-0000-0000-000000000000/status", HttpStatusCode.NotFound)]
    public async Task What_cannot_be_answered_is_refused(string path, HttpStatusCode status) =>
        (await (await platform.ApiAsync()).GetAsync(path, Cancellation)).StatusCode.ShouldBe(status);

    [Fact]
    public async Task Service_levels_are_at_the_Api_and_at_Projections()
    {
        var api = await platform.ApiAsync();
        using var first = await api.SendAsync(Post("/orders", TwoCds, "slo"), Cancellation);
        using var repeat = await api.SendAsync(Post("/orders", TwoCds, "slo"), Cancellation);
        var slo = new JsonObject();
        JsonNode? Of(string name) => slo["indicators"]!.AsArray().FirstOrDefault(indicator => (string)indicator!["name"]! == name);

        await Eventually.TrueAsync(
            () => (slo = GetAsync(api, "/slo").GetAwaiter().GetResult()) is not null && Of("cdc.lag_ms.p95")?["value"] is not null && Of("idempotency.dedup_rate")?["value"] is not null && Of("cdc.wal_lag_ms")?["value"] is not null,
            Bound, () => slo.ToJsonString(), Cancellation);

        ((string)slo["window"]!).ShouldBe("30.00:00:00");
        Of("idempotency.dedup_rate")!.ToJsonString().ShouldBe("""{"name":"idempotency.dedup_rate","store":null,"value":1,"objective":1,"met":true}""");
        slo["indicators"]!.AsArray().Where(indicator => (string)indicator!["name"]! == "cdc.slot_ready").Select(indicator => (string)indicator!["store"]!).ShouldBe(["orderplatform_relay", "orderplatform_tables"], ignoreOrder: true);
        using var http = new HttpClient(new SocketsHttpHandler());
        var projections = await platform.ProjectionsAsync();
        JsonNode.Parse(await http.GetStringAsync(projections + "/slo", Cancellation))!["indicators"]!.AsArray().Count.ShouldBe(slo["indicators"]!.AsArray().Count);
    }

    private static async Task<JsonObject> GetAsync(HttpClient api, string path)
    {
        using var response = await api.GetAsync(path, Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.OK, path);
        return await response.ReadObjectAsync();
    }
}
