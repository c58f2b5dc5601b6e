using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>What operators see of dead letters, and may do. The letters are of a consumer that nobody runs.</summary>
public sealed class DeadLettersTests(PlatformFixture platform) : IAsyncLifetime
{
    private readonly string _consumer = "test-" + Guid.NewGuid().ToString("N");
    private HttpClient _api = null!;
    private NpgsqlDataSource _orders = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await platform.ApiAsync();
        _orders = NpgsqlDataSource.Create(await platform.PostgresAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"UPDATE dead_letter SET state = 'discarded' WHERE consumer = '{_consumer}'");
        await _orders.DisposeAsync();
    }

    [Fact]
    public async Task Are_listed_newest_first_by_page_and_filter()
    {
        var ids = new List<string> { await ParkAsync(1, "a"), await ParkAsync(2, "a", "waiting"), await ParkAsync(3, "b") };

        var first = await _api.GetObjectAsync($"/operations/dead-letters?consumer={_consumer}&limit=2");
        var second = await _api.GetObjectAsync($"/operations/dead-letters?consumer={_consumer}&limit=2&cursor={first["nextCursor"]}");

        Ids(first).Concat(Ids(second)).ShouldBe(Enumerable.Reverse(ids));
        second["nextCursor"].ShouldBeNull();
        Ids(await _api.GetObjectAsync($"/operations/dead-letters?consumer={_consumer}&key=a&state=Waiting&topic=order.events")).ShouldBe([ids[1]]);
        Ids(await _api.GetObjectAsync($"/operations/dead-letters?consumer={_consumer}&topic=payment.events")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Are_shown_whole_with_what_was_done_to_them()
    {
        var json = await _api.GetObjectAsync($"/operations/dead-letters/{await ParkAsync(1, "a")}");
        var bytes = await _api.GetObjectAsync($"/operations/dead-letters/{await ParkAsync(2, "b", value: @"\x00ff")}");

        ((string)json["value"]!["orderId"]!, json["valueBase64"], (string)bytes["valueBase64"]!, bytes["value"]).ShouldBe(("o-1", null, "AP8=", null));
        json["headers"]!.ToJsonString().ShouldBe("""[{"name":"ce_type","value":"OrderCreated.v1"}]""");
        ((string)json["state"]!, (string)json["error"]!, (int)json["attempts"]!, (int)json["partition"]!, (long)json["offset"]!).ShouldBe(("Failed", "poison", 1, 0, 1L));
        json["history"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task Only_the_first_open_letter_of_a_key_can_be_decided_on_and_each_decision_is_kept_with_who_and_why()
    {
        var (first, second) = (await ParkAsync(1, "a"), await ParkAsync(2, "a"));

        using var early = await _api.SendAsync(Post($"/operations/dead-letters/{second}/redrive", """{"reason":"mended"}"""), Cancellation);
        ((string)(await early.ShouldBeProblemAsync(HttpStatusCode.Conflict))["detail"]!).ShouldContain($"discard letter {first} first");

        using var discarded = await _api.SendAsync(Post($"/operations/dead-letters/{first}/discard", """{"reason":"nobody needs it"}"""), Cancellation);
        discarded.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var redriven = await _api.SendAsync(Post($"/operations/dead-letters/{second}/redrive", $$"""{"reason":"mended","value":{{Created}}}"""), Cancellation);
        redriven.StatusCode.ShouldBe(HttpStatusCode.OK);
        var letter = await redriven.ReadObjectAsync();

        ((string)letter["state"]!, (string)letter["editedValue"]!["orderId"]!).ShouldBe(("Waiting", "o-2"));
        var action = letter["history"]!.AsArray().ShouldHaveSingleItem()!;
        ((string)action["action"]!, (string)action["by"]!, (string)action["reason"]!).ShouldBe(("RedriveRequested", "development", "mended"));
        using var closed = await _api.SendAsync(Post($"/operations/dead-letters/{first}/redrive", """{"reason":"mended"}"""), Cancellation);
        ((string)(await closed.ShouldBeProblemAsync(HttpStatusCode.Conflict))["detail"]!).ShouldContain("Discarded already");
    }

    [Theory]
    [InlineData("{}", "reason")]
    [InlineData("""{"reason":" "}""", "reason")]
    [InlineData("""{"reason":"x","value":{"orderId":"o-1"}}""", "value")]
    [InlineData("""{"reason":"x","headers":{}}""", "headers")]
    public async Task A_request_that_is_wrong_changes_nothing(string body, string field)
    {
        var id = await ParkAsync(1, "a");

        using var response = await _api.SendAsync(Post($"/operations/dead-letters/{id}/redrive", body), Cancellation);

        (await response.ShouldBeProblemAsync(HttpStatusCode.BadRequest))["errors"]!.AsObject().ShouldHaveSingleItem().Key.ShouldBe(field);
        ((string)(await _api.GetObjectAsync($"/operations/dead-letters/{id}"))["state"]!).ShouldBe("Failed");
    }

    [Theory]
    [InlineData("/operations/dead-letters/0", HttpStatusCode.NotFound)]
    [InlineData("/operations/dead-letters/x", HttpStatusCode.NotFound)]
    [InlineData("/operations/dead-letters?state=broken", HttpStatusCode.BadRequest)]
    [InlineData("/operations/dead-letters?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("/operations/dead-letters?cursor=x", HttpStatusCode.BadRequest)]
    public async Task What_cannot_be_answered_is_a_problem(string path, HttpStatusCode status)
    {
        using var response = await _api.GetAsync(path, Cancellation);

        await response.ShouldBeProblemAsync(status);
    }

    [Fact]
    public async Task Are_for_operators_alone()
    {
        using var reader = await platform.ApiAsync(["orders:read", "orders:write"]);

        using var response = await reader.GetAsync("/operations/dead-letters", Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.Forbidden);
    }

    private const string Created =
        """
        {"orderId":"o-2","customerId":"c-1","currency":"USD","orderedAt":"2026-01-01T00:00:00Z","oldStatus":null,"newStatus":"Pending",
         "totalAmount":1.00,"ordersDifference":1,"amountDifference":1.00,"products":[],"items":[]}
        """;

    private static IEnumerable<string> Ids(JsonObject page) => page["items"]!.AsArray().Select(letter => (string)letter!["id"]!);

    private async Task<string> ParkAsync(int offset, string key, string state = "failed", string value = """{"orderId":"o-1"}""")
    {
        await using var command = _orders.CreateCommand(
            """
            INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, record_key, header_names, header_values, value, published_at, state, error, attempts)
            VALUES ($1, 'order.events', 0, $2, $3, convert_to($3, 'UTF8'), '{ce_type}', ARRAY[convert_to('OrderCreated.v1', 'UTF8')],
                CASE WHEN starts_with($4, '\x') THEN $4::bytea ELSE convert_to($4, 'UTF8') END, now(), $5, 'poison', 1) RETURNING id::text
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = _consumer }, new() { Value = (long)offset }, new() { Value = key }, new() { Value = value }, new() { Value = state }]);
        return (string)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = _orders.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
