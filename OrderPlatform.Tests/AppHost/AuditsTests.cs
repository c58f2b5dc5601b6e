using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Projections.Auditing;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Tests.Api;
using OrderPlatform.Tests.Relay;
using StackExchange.Redis;

namespace OrderPlatform.Tests.AppHost;

/// <summary>Audits of a whole platform, asked for through the Api while orders are placed, changed, cancelled, paid and shipped.</summary>
public sealed class AuditsTests(SagaPlatform platform, ITestOutputHelper output) : IClassFixture<SagaPlatform>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private NpgsqlDataSource Views { get; } = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder((string)platform.RunFile["postgres"]!) { Database = "views" }.ConnectionString);

    [Fact]
    public async Task While_orders_flow_every_audit_is_clean_and_what_is_changed_by_hand_is_found_and_repaired()
    {
        var product = await platform.ProductAsync(1_000_000);
        using var registered = await platform.Api.SendAsync(OrderRequests.Post("/customers", """{"id":"c-1","name":"Ada","email":"ada@example.com"}"""), Cancellation);
        registered.StatusCode.ShouldBe(HttpStatusCode.Created);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var clients = Enumerable.Range(0, 6).Select(client => OrderAsync(new Random(client), product, enough.Token)).ToList();
        for (var i = 0; i < 4; i++)
        {
            var run = await AuditedAsync("""{}""");
            output.WriteLine(string.Join(", ", run["results"]!.AsArray().Select(result => $"{result!["audit"]} {result["compared"]} in {result["durationMs"]} ms")));
            ((string)run["state"]!).ShouldBe("clean", await DescribedAsync(run));
            run["results"]!.AsArray().Select(result => (string)result!["audit"]!).ShouldBe(AuditNames.All);
        }

        // changed and repaired while the projections write to the same stores
        // of an order that is at its end in the view, too: no event of it comes any more and writes over the change
        var id = (string)(await Views.CreateCommand("SELECT order_id::text FROM order_view WHERE status = 'Delivered' LIMIT 1").ExecuteScalarAsync(Cancellation))!;
        await ChangeAsync("order-view", id, () => Views.CreateCommand($"UPDATE order_view SET total_amount = total_amount + 1 WHERE order_id = '{id}'").ExecuteNonQueryAsync(Cancellation));
        await ChangeAsync("customer-view", "c-1", () => RelayBed.EventuallyAsync(async () => await Views.CreateCommand("UPDATE customer_view SET email = name WHERE id = 'c-1'").ExecuteNonQueryAsync(Cancellation) == 1, "the customer in the view"));
        using var redis = await ConnectionMultiplexer.ConnectAsync((string)platform.RunFile["redis"]!);
        var generation = (string)(await redis.GetDatabase().HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        await ChangeAsync("rankings", "totals all USD", () => redis.GetDatabase().SortedSetIncrementAsync(RankingKeys.Ranking(generation, RankingKeys.Totals, RankingKeys.All), "USD", 7));
        var plan = await PlanAsync();
        await ChangeAsync("sales-facts", $"{id}@1", () => ClickHouseAsync($"ALTER TABLE orders_analytics UPDATE amount = amount + 1 WHERE order_id = '{id}' AND sequence = 1 SETTINGS mutations_sync = 2"));
        (await PlanAsync()).ShouldBe(plan, "the facts were repaired, and not rebuilt");
        await enough.CancelAsync();
        output.WriteLine($"{(await Task.WhenAll(clients)).Sum()} orders meanwhile");
    }

    private async Task ChangeAsync(string audit, string row, Func<Task> change)
    {
        await change();
        var found = await AuditedAsync($$"""{"audits":["{{audit}}"]}""");
        ((string)found["state"]!).ShouldBe("violations");
        var violations = (await platform.Api.GetObjectAsync($"/audits/{found["id"]}/violations"))["items"]!.AsArray();
        violations.Select(violation => (string)violation!["row"]!).ShouldContain(row);

        var repair = await AuditedAsync("""{"reason":"a test has changed it"}""", $"/audits/{found["id"]}/repair");
        ((string)repair["state"]!).ShouldBe("clean", await DescribedAsync(repair));
        ((string)repair["reason"]!).ShouldBe("a test has changed it");
        ((string)repair["repairOf"]!).ShouldBe((string)found["id"]!);
        (await platform.Api.GetObjectAsync($"/audits/{found["id"]}/violations"))["items"]!.AsArray().ShouldAllBe(violation => violation!["repair"] != null);
    }

    private async Task<string> PlanAsync() => (string)(await Views.CreateCommand("SELECT generation::text FROM sales_facts_plan").ExecuteScalarAsync(Cancellation))!;

    private async Task ClickHouseAsync(string sql)
    {
        using var http = new HttpClient(new SocketsHttpHandler());
        await new ClickHouseClient(http, new ClickHouseConnection(new Uri((string)platform.RunFile["clickhouse"]!), "default", "", "analytics")).QueryAsync(sql, parameters: null, Cancellation);
    }

    [Fact]
    public async Task Every_change_in_the_books_of_the_saga_is_found()
    {
        var product = await platform.ProductAsync(10);
        var delivered = await platform.PlaceAsync(product, 2);
        var declined = await platform.PlaceAsync(product, 1, "c-declined");
        await platform.EndAsync(delivered);
        await platform.EndAsync(declined);
        await platform.SettledAsync();
        var (id, cancelled) = (delivered["/orders/".Length..], declined["/orders/".Length..]);
        (string Audit, string Change, string Undo, string Row)[] mutations =
        [
            (AuditNames.Stock, $"UPDATE stock SET on_hand = on_hand + 1 WHERE product_id = '{product}'", $"UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = '{product}'", product),
            (AuditNames.Stock, $"UPDATE stock SET reserved = reserved + 1 WHERE product_id = '{product}'", $"UPDATE stock SET reserved = reserved - 1 WHERE product_id = '{product}'", product),
            (AuditNames.Stock, $"UPDATE stock SET version = version + 1 WHERE product_id = '{product}'", $"UPDATE stock SET version = version - 1 WHERE product_id = '{product}'", product),
            (AuditNames.Stock, $"UPDATE reservation SET sequence = sequence + 1 WHERE order_id = '{id}'", $"UPDATE reservation SET sequence = sequence - 1 WHERE order_id = '{id}'", id),
            (AuditNames.Stock, $"UPDATE reservation SET status = 'Cancelled' WHERE order_id = '{id}'", $"UPDATE reservation SET status = 'Shipped' WHERE order_id = '{id}'", product),
            (AuditNames.Payments, $"UPDATE payment SET status = 'Failed' WHERE order_id = '{id}'", $"UPDATE payment SET status = 'Completed' WHERE order_id = '{id}'", id),
            (AuditNames.Payments, $"UPDATE payment SET state = jsonb_set(state, '{{bill,amount}}', '0.01') WHERE order_id = '{id}'", $"UPDATE payment SET state = jsonb_set(state, '{{bill,amount}}', '5.00') WHERE order_id = '{id}'", id),
            (AuditNames.Payments, $"UPDATE payment SET status = 'Completed' WHERE order_id = '{cancelled}'", $"UPDATE payment SET status = 'Cancelled' WHERE order_id = '{cancelled}'", cancelled),
            (AuditNames.Payments, $"UPDATE gateway_charge SET refunded = true WHERE key = '{id}/1'", $"UPDATE gateway_charge SET refunded = false WHERE key = '{id}/1'", $"{id}/1"),
            (AuditNames.Payments, $"UPDATE gateway_charge SET outcome = 'Charged' WHERE key = '{cancelled}/1'", $"UPDATE gateway_charge SET outcome = 'Declined' WHERE key = '{cancelled}/1'", $"{cancelled}/1"),
            (AuditNames.Payments, $"UPDATE payment SET sequence = sequence + 1 WHERE order_id = '{id}'", $"UPDATE payment SET sequence = sequence - 1 WHERE order_id = '{id}'", id),
            (AuditNames.Dispatch, $"UPDATE dispatch SET status = 'Waiting' WHERE order_id = '{id}'", $"UPDATE dispatch SET status = 'Delivered' WHERE order_id = '{id}'", id),
            (AuditNames.Dispatch, $"UPDATE dispatch SET status = 'Delivered' WHERE order_id = '{cancelled}'", $"UPDATE dispatch SET status = 'CalledOff' WHERE order_id = '{cancelled}'", cancelled),
            (AuditNames.Dispatch, $"UPDATE dispatch SET sequence = sequence + 1 WHERE order_id = '{id}'", $"UPDATE dispatch SET sequence = sequence - 1 WHERE order_id = '{id}'", id),
            (AuditNames.StuckOrders, $"UPDATE orders SET status = 'Confirmed', updated_at = updated_at - interval '1 day' WHERE id = '{id}'", $"UPDATE orders SET status = 'Delivered', updated_at = updated_at + interval '1 day' WHERE id = '{id}'", id),
            (AuditNames.StuckOrders, $"UPDATE payment SET status = 'Refunding' WHERE order_id = '{cancelled}'; UPDATE orders SET updated_at = updated_at - interval '1 day' WHERE id = '{cancelled}'", $"UPDATE payment SET status = 'Cancelled' WHERE order_id = '{cancelled}'; UPDATE orders SET updated_at = updated_at + interval '1 day' WHERE id = '{cancelled}'", cancelled),
// no INSERT, which would be published
            (AuditNames.Dispatch, $"UPDATE event_log SET type = 'DispatchShipped.v1' WHERE stream = 'dispatch/{id}' AND sequence = 2", $"UPDATE event_log SET type = 'DispatchDelivered.v1' WHERE stream = 'dispatch/{id}' AND sequence = 2", id),
        ];
        var missed = new List<string>();
        foreach (var (audit, change, undo, row) in mutations)
        {
            await platform.Orders.CreateCommand(change).ExecuteNonQueryAsync(Cancellation);
            var rows = await RowsAsync(audit);
            if (!rows.Contains(row))
            {
                missed.Add($"{audit}: {change}: {string.Join(' ', rows)}");
            }
            await platform.Orders.CreateCommand(undo).ExecuteNonQueryAsync(Cancellation);
        }
        output.WriteLine($"mutations found {mutations.Length - missed.Count} of {mutations.Length}");
        missed.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_cannot_be_asked_for_is_refused_by_name()
    {
        using var unknown = await platform.Api.SendAsync(OrderRequests.Post("/audits", """{"audits":["everything"]}"""), Cancellation);
        (await unknown.ShouldBeProblemAsync(HttpStatusCode.BadRequest))["errors"]!["audits"].ShouldNotBeNull();
        using var nobody = await platform.Api.GetAsync($"/audits/{Guid.NewGuid()}", Cancellation);
        await nobody.ShouldBeProblemAsync(HttpStatusCode.NotFound);
        using var noViolations = await platform.Api.GetAsync("/audits/x/violations", Cancellation);
        await noViolations.ShouldBeProblemAsync(HttpStatusCode.NotFound);

        var first = await PostAsync("/audits", """{"audits":["stock"]}""", "the same key");
        (await PostAsync("/audits", """{"audits":["stock"]}""", "the same key"))["id"]!.ToString().ShouldBe(first["id"]!.ToString());
        var path = $"/audits/{first["id"]}";
        await platform.UntilAsync(path, run => run["finishedAt"] is not null);
        using var nothing = await platform.Api.SendAsync(OrderRequests.Post($"{path}/repair", """{"reason":"why not"}"""), Cancellation);
        await nothing.ShouldBeProblemAsync(HttpStatusCode.Conflict);
        using var noReason = await platform.Api.SendAsync(OrderRequests.Post($"{path}/repair", "{}"), Cancellation);
        (await noReason.ShouldBeProblemAsync(HttpStatusCode.BadRequest))["errors"]!["reason"].ShouldNotBeNull();
        var page = await platform.Api.GetObjectAsync("/audits?limit=1");
        page["items"]!.AsArray().Count.ShouldBe(1);
    }

    private async Task<IReadOnlyList<string>> RowsAsync(string name)
    {
        var options = Options.Create(new AuditOptions { Bound = TimeSpan.Zero, SagaBound = TimeSpan.FromHours(1) });
        IAudit audit = name switch
        {
            AuditNames.Stock => new StockAudit(platform.Orders, options, TimeProvider.System),
            AuditNames.Payments => new PaymentsAudit(platform.Orders, options, TimeProvider.System),
            AuditNames.Dispatch => new DispatchAudit(platform.Orders, options, TimeProvider.System),
            _ => new StuckOrdersAudit(platform.Orders, options, TimeProvider.System),
        };
        var findings = new Findings();
        await audit.RunAsync(findings, Cancellation);
        return [.. findings.Violations.Select(violation => violation.Row)];
    }

    // six of them make some hundred orders a second: writes flow, and the machine is not at its end
    private async Task<int> OrderAsync(Random random, string product, CancellationToken enough)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(60));
        for (var placed = 0; ; placed++)
        {
            if (enough.IsCancellationRequested)
            {
                return placed;
            }
            await pace.WaitForNextTickAsync(Cancellation);
            var order = await platform.PlaceAsync(product, random.Next(1, 4), random.Next(10) == 0 ? "c-declined" : $"c-{random.Next(20)}");
            if (random.Next(4) == 0)
            {
                using var changed = await platform.Api.SendAsync(OrderRequests.Patch($"{order}/items", $$"""{"items":[{"productId":"{{product}}","quantity":2,"unitPrice":{{(random.Next(100) / 4m).ToString(CultureInfo.InvariantCulture)}}}]}""", "*"), Cancellation);
            }
            if (random.Next(6) == 0)
            {
                using var cancelled = await platform.Api.SendAsync(OrderRequests.Post($"{order}/cancel", "{}"), Cancellation);
            }
        }
    }

    private async Task<JsonObject> AuditedAsync(string body, string path = "/audits")
    {
        var asked = await PostAsync(path, body, Guid.NewGuid().ToString());
        return await platform.UntilAsync($"/audits/{asked["id"]}", run => run["finishedAt"] is not null);
    }

    private async Task<JsonObject> PostAsync(string path, string body, string key)
    {
        using var response = await platform.Api.SendAsync(OrderRequests.Post(path, body, key), Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.Accepted, await response.Content.ReadAsStringAsync(Cancellation));
        return await response.ReadObjectAsync();
    }

    private async Task<string> DescribedAsync(JsonObject run) => $"{run.ToJsonString()}\n{(await platform.Api.GetObjectAsync($"/audits/{run["id"]}/violations")).ToJsonString()}\n{platform.Host.Output}";
}
