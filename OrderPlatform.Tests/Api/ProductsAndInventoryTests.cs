using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class ProductsAndInventoryTests(PlatformFixture platform)
{
    private const string Tape = """{"name":"Mixtape","price":2.50,"currency":"EUR"}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_developer_finds_twenty_products_with_stock()
    {
        var api = await platform.ApiAsync();

        var seeded = (await ProductsAsync(api)).Where(product => (string)product["currency"]! == "USD").ToList();

        seeded.Count.ShouldBe(20);
        foreach (var product in seeded)
        {
            ((long)(await api.GetObjectAsync($"/inventory/{product["id"]}"))["available"]!).ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public async Task A_product_is_made_read_and_replaced_by_version()
    {
        var api = await platform.ApiAsync();
        var path = $"/products/tape {Guid.NewGuid()}";

        using var made = await api.SendAsync(Put(path, Tape), Cancellation);
        using var unseen = await api.SendAsync(Put(path, Tape), Cancellation);
        using var changed = await api.SendAsync(Put(path, Tape.Replace("2.50", "2.75", StringComparison.Ordinal), "\"1\""), Cancellation);
        using var stale = await api.SendAsync(Put(path, Tape, "\"1\""), Cancellation);
        using var nowhere = await api.SendAsync(Put(path + "x", Tape, "\"1\""), Cancellation);

        made.StatusCode.ShouldBe(HttpStatusCode.Created);
        made.Headers.ETag!.ToString().ShouldBe("\"1\"");
        await unseen.ShouldBeProblemAsync(HttpStatusCode.PreconditionRequired);
        changed.StatusCode.ShouldBe(HttpStatusCode.OK);
        await stale.ShouldBeProblemAsync(HttpStatusCode.PreconditionFailed);
        await nowhere.ShouldBeProblemAsync(HttpStatusCode.PreconditionFailed);
        var product = await api.GetObjectAsync(made.Headers.Location!.ToString());
        product.ToJsonString().ShouldBe((await changed.ReadObjectAsync()).ToJsonString());
        product["price"]!.ToJsonString().ShouldBe("2.75");
        product["version"]!.ToJsonString().ShouldBe("2");
        product["createdAt"]!.ToString().ShouldBe((await made.ReadObjectAsync())["createdAt"]!.ToString());
    }

    [Fact]
    public async Task Of_changes_at_once_that_are_based_on_one_version_one_is_done()
    {
        var api = await platform.ApiAsync();
        var path = $"/products/{Guid.NewGuid()}";

        (await StatusesAsync(() => Put(path, Tape))).Count(status => status == HttpStatusCode.Created).ShouldBe(1);
        (await StatusesAsync(() => Put(path, Tape, "\"1\""))).Count(status => status == HttpStatusCode.OK).ShouldBe(1);

        async Task<HttpStatusCode[]> StatusesAsync(Func<HttpRequestMessage> request) => await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            using var response = await api.SendAsync(request(), Cancellation);
            return response.StatusCode;
        }));
    }

    [Theory]
    [InlineData("""{"price":1,"currency":"USD"}""", "name")]
    [InlineData("""{"name":" ","price":1,"currency":"USD"}""", "name")]
    [InlineData("""{"name":"x","currency":"USD"}""", "price")]
    [InlineData("""{"name":"x","price":-1,"currency":"USD"}""", "price")]
    [InlineData("""{"name":"x","price":1}""", "currency")]
    [InlineData("""{"name":"x","price":1,"currency":"USD","description":"\u0000"}""", "description")]
    [InlineData("""{"name":"x","price":1,"currency":"USD","id":"y"}""", "id")]
    [InlineData("", "$")]
    public async Task A_wrong_field_is_named(string body, string field)
    {
        var api = await platform.ApiAsync();

        using var response = await api.SendAsync(Put($"/products/{Guid.NewGuid()}", body), Cancellation);

        (await response.ShouldBeProblemAsync(HttpStatusCode.BadRequest))["errors"]!.AsObject().Select(error => error.Key).ShouldBe([field]);
    }

    [Fact]
    public async Task Receipts_add_up_each_once_and_each_with_its_event()
    {
        var api = await platform.ApiAsync();
        var id = $"p-{Guid.NewGuid()}";
        using var made = await api.SendAsync(Put($"/products/{id}", Tape), Cancellation);
        var keys = Enumerable.Range(0, 20).Select(_ => Guid.NewGuid().ToString()).ToList();

        await Task.WhenAll(keys.Select(ReceiveAsync));
        await Task.WhenAll(keys.Select(ReceiveAsync));

        (await api.GetObjectAsync($"/inventory/{id}")).ToJsonString().ShouldBe($$"""{"productId":"{{id}}","onHand":60,"reserved":0,"available":60,"version":20}""");
        (await EventsAsync(id)).ShouldBe([.. Enumerable.Range(1, 20).Select(n => $$"""inventory.events StockReceived.v1 {"productId":"{{id}}","quantity":3,"onHand":{{n * 3}},"reserved":0}""")]);

        async Task ReceiveAsync(string key)
        {
            using var response = await api.SendAsync(Post($"/inventory/{id}/receipts", """{"quantity":3}""", key), Cancellation);
            response.StatusCode.ShouldBe(HttpStatusCode.OK);
        }
    }

    [Theory]
    [InlineData("""{"quantity":0}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"quantity":1.5}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"quantity":1000001}""", HttpStatusCode.BadRequest)]
    [InlineData("", HttpStatusCode.BadRequest)]
    [InlineData("""{"quantity":1}""", HttpStatusCode.NotFound)]
    public async Task A_receipt_of_nothing_or_for_no_product_is_refused(string body, HttpStatusCode status)
    {
        var api = await platform.ApiAsync();

        using var response = await api.SendAsync(Post($"/inventory/{Guid.NewGuid()}/receipts", body), Cancellation);

        await response.ShouldBeProblemAsync(status);
    }

    [Theory]
    [InlineData("UPDATE stock SET reserved = on_hand + 1 WHERE product_id = 'cd-0001'")]
    [InlineData("UPDATE stock SET reserved = -1 WHERE product_id = 'cd-0001'")]
    public async Task The_database_itself_refuses_to_promise_what_is_not_there(string sql)
    {
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var command = source.CreateCommand(sql);

        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation))).ConstraintName.ShouldBe("stock_covers_reservations");
    }

    [Fact]
    public async Task Reading_and_writing_take_scopes_of_their_own()
    {
        using var reader = await platform.ApiAsync(["products:read"]);
        using var other = await platform.ApiAsync(["orders:read", "orders:write"]);

        using var put = await reader.SendAsync(Put("/products/x", Tape), Cancellation);
        using var received = await reader.SendAsync(Post("/inventory/cd-0001/receipts", """{"quantity":1}"""), Cancellation);
        using var read = await other.GetAsync("/products", Cancellation);

        foreach (var response in (HttpResponseMessage[])[put, received, read])
        {
            await response.ShouldBeProblemAsync(HttpStatusCode.Forbidden);
        }
    }

    private static async Task<List<JsonObject>> ProductsAsync(HttpClient api)
    {
        var products = new List<JsonObject>();
        for (var next = "/products?limit=7"; next is not null;)
        {
            var page = await api.GetObjectAsync(next);
            products.AddRange(page["items"]!.AsArray().Select(product => (JsonObject)product!));
            next = page["nextCursor"] is { } cursor ? $"/products?limit=7&cursor={cursor}" : null;
        }
        return products;
    }

    private async Task<List<string>> EventsAsync(string productId)
    {
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var command = source.CreateCommand("SELECT topic || ' ' || type || ' ' || convert_from(payload, 'UTF8') FROM event_log WHERE stream = $1 ORDER BY sequence");
        command.Parameters.Add(new NpgsqlParameter { Value = $"stock/{productId}" });
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var events = new List<string>();
        while (await reader.ReadAsync(Cancellation))
        {
            events.Add(reader.GetString(0));
        }
        return events;
    }
}
