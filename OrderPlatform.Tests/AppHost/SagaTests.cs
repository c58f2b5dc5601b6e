using System.Net;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.AppHost;

/// <summary>Orders on their way through all participants, as a caller of the Api sees them.</summary>
public sealed class SagaTests(SagaPlatform platform) : IClassFixture<SagaPlatform>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_is_reserved_paid_shipped_and_delivered()
    {
        var product = await platform.ProductAsync(10);
        var order = await platform.PlaceAsync(product, 3);

        (await platform.EndAsync(order)).ShouldBe("OrderCreated OrderConfirmed OrderShipped OrderDelivered");

        await platform.SettledAsync();
        (await platform.Api.GetObjectAsync($"/inventory/{product}"))["onHand"]!.ToJsonString().ShouldBe("7");
        var saga = await platform.Api.GetObjectAsync($"{order}/saga");
        ((string)saga["reservation"]!["status"]!).ShouldBe("Shipped");
        saga["payment"]!["amount"]!.ToJsonString().ShouldBe("7.50");
        ((string)saga["dispatch"]!["trackingNumber"]!).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task What_one_participant_refuses_is_taken_back_by_the_others()
    {
        var product = await platform.ProductAsync(5);
        var tooMuch = await platform.PlaceAsync(product, 6);
        var unknown = await platform.PlaceAsync("p-nobody-has", 1);
        var declined = await platform.PlaceAsync(product, 5, "c-declined");

        (await platform.EndAsync(tooMuch)).ShouldBe($"OrderCreated OrderCancelled(out of stock: {product})");
        (await platform.EndAsync(unknown)).ShouldBe("OrderCreated OrderCancelled(unknown product: p-nobody-has)");
        (await platform.EndAsync(declined)).ShouldBe("OrderCreated OrderCancelled(payment declined)");

        await platform.SettledAsync();
        (await platform.Api.GetObjectAsync($"/inventory/{product}"))["available"]!.ToJsonString().ShouldBe("5");
    }

    [Theory]
    [InlineData("c-timeout", "2")]
    [InlineData("c-twice", "1")]
    public async Task However_the_gateway_answers_an_order_is_charged_once(string customer, string asked)
    {
        var order = await platform.PlaceAsync(await platform.ProductAsync(1), 1, customer);

        (await platform.EndAsync(order)).ShouldBe("OrderCreated OrderConfirmed OrderShipped OrderDelivered");

        await platform.SettledAsync();
        (await platform.RowsAsync($"SELECT concat_ws(' ', key, outcome, asked) FROM gateway_charge WHERE '/orders/' || key LIKE '{order}/%'")).ShouldBe([$"{order["/orders/".Length..]}/1 Charged {asked}"]);
        (await platform.RowsAsync($"SELECT type FROM event_log WHERE stream = 'payment/{order["/orders/".Length..]}'")).ShouldBe(["PaymentCompleted.v1"]);
    }

    [Fact]
    public async Task An_order_that_is_changed_while_it_is_paid_is_paid_as_it_is_now_and_given_back_when_it_is_cancelled_before_any_answer()
    {
        var (before, after) = (await platform.ProductAsync(10), await platform.ProductAsync(10));
        var order = await platform.PlaceAsync(before, 3, "c-silent");
        await AskedTwiceAsync(version: 1);

        using var changed = await platform.Api.SendAsync(OrderRequests.Patch($"{order}/items", $$"""{"items":[{"productId":"{{after}}","quantity":10,"unitPrice":1}]}""", "\"1\""), Cancellation);
        changed.StatusCode.ShouldBe(HttpStatusCode.OK);
        await AskedTwiceAsync(version: 2);
        (await platform.Api.GetObjectAsync($"/inventory/{before}"))["reserved"]!.ToJsonString().ShouldBe("0");
        (await platform.Api.GetObjectAsync($"/inventory/{after}"))["reserved"]!.ToJsonString().ShouldBe("10");

        using var cancelled = await platform.Api.SendAsync(OrderRequests.Post($"{order}/cancel", ""), Cancellation);
        await platform.SettledAsync();
        var id = order["/orders/".Length..];
        (await platform.RowsAsync($"SELECT concat_ws(' ', key, amount, refunded) FROM gateway_charge WHERE key LIKE '{id}/%' ORDER BY key")).ShouldBe([$"{id}/1 7.50 t", $"{id}/2 10.00 t"]);
        (await platform.RowsAsync($"SELECT type FROM event_log WHERE stream = 'payment/{id}' ORDER BY sequence"))
            .ShouldBe(["PaymentCompleted.v1", "PaymentRefunded.v1", "PaymentCompleted.v1", "PaymentRefunded.v1"]);

        // then the first call is over: the money is taken, and nobody but the gateway knows
        Task AskedTwiceAsync(int version) => platform.UntilAsync($"{order}/saga", saga => saga["payment"] is { } payment && (int?)payment["orderVersion"] == version && (int)payment["attempt"]! >= 2);
    }

    [Fact]
    public async Task A_cancelled_order_gives_back_what_it_has_and_a_shipped_one_is_not_cancelled()
    {
        var product = await platform.ProductAsync(2);
        var (confirmed, shipped) = (await platform.PlaceAsync(product, 1), await platform.PlaceAsync(product, 1));

        await platform.UntilAsync(confirmed, order => (string)order["status"]! == "Confirmed");
        using var cancelled = await platform.Api.SendAsync(OrderRequests.Post($"{confirmed}/cancel", """{"reason":"changed my mind"}"""), Cancellation);
        await platform.UntilAsync(shipped, order => (string)order["status"]! is "Shipped" or "Delivered");
        using var refused = await platform.Api.SendAsync(OrderRequests.Post($"{shipped}/cancel", ""), Cancellation);

        cancelled.StatusCode.ShouldBe(HttpStatusCode.OK);
        await refused.ShouldBeProblemAsync(HttpStatusCode.Conflict);
        await platform.EndAsync(shipped);
        await platform.SettledAsync();
        ((string)(await platform.Api.GetObjectAsync($"{confirmed}/saga"))["payment"]!["status"]!).ShouldBe("Refunded");
        (await platform.Api.GetObjectAsync($"/inventory/{product}"))["available"]!.ToJsonString().ShouldBe("1");
    }

    [Fact]
    public async Task The_last_pieces_are_sold_once()
    {
        var product = await platform.ProductAsync(10);

        var orders = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => platform.PlaceAsync(product, 1)));
        var ends = await Task.WhenAll(orders.Select(platform.EndAsync));

        ends.Count(end => end.EndsWith("OrderDelivered", StringComparison.Ordinal)).ShouldBe(10);
        await platform.SettledAsync();
        (await platform.Api.GetObjectAsync($"/inventory/{product}"))["onHand"]!.ToJsonString().ShouldBe("0");
    }

    [Fact]
    public async Task A_customer_gets_an_e_mail_at_each_step_and_the_table_of_them_knows_no_address()
    {
        var (customer, address) = ($"c-{Guid.NewGuid()}", $"{Guid.NewGuid():N}@example.com");
        using var registered = await platform.Api.SendAsync(OrderRequests.Post("/customers", $$"""{"id":"{{customer}}","name":"Ada","email":"{{address}}"}"""), Cancellation);
        registered.EnsureSuccessStatusCode();
        var order = await platform.PlaceAsync(await platform.ProductAsync(1), 1, customer);
        await platform.EndAsync(order);

        List<string> Mails() => Directory.Exists(platform.Mails) ? [.. Directory.GetFiles(platform.Mails, "*.eml").Select(File.ReadAllText).Where(mail => mail.Contains($"To: {address}\r\n", StringComparison.Ordinal))] : [];
        await Eventually.TrueAsync(() => Mails().Count == 3, TimeSpan.FromSeconds(20), () => string.Join('\n', Mails()), Cancellation);

        var events = (await platform.Api.GetObjectAsync($"{order}/events"))["items"]!.AsArray().Skip(1).Select(happened => $"<{(string)happened!["id"]!}@orderplatform>");
        Mails().Select(mail => mail.Split("\r\n")[0]["Message-ID: ".Length..]).ShouldBe(events, ignoreOrder: true);
        (await platform.RowsAsync($"SELECT n::text FROM notification n WHERE n::text LIKE '%{address}%'")).ShouldBeEmpty();
    }
}
