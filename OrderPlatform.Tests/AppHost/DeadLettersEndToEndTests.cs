using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Engines;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Tests.Api;
using StackExchange.Redis;
using Order = OrderPlatform.Api.Orders.Order;

namespace OrderPlatform.Tests.AppHost;

/// <summary>The whole platform, a poison event in its topic, and an operator who mends it with the Api alone.</summary>
public sealed class DeadLettersEndToEndTests(EngineFixture engines) : IDisposable
{
    private static readonly string[] Stores = ["analytics-transformer", "order-view", "rankings"];
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _data = new();
    private readonly HttpClient _api = new(new SocketsHttpHandler());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _api.Dispose();
        _data.Dispose();
    }

    [Fact]
    public async Task A_poison_event_is_mended_in_every_store_and_every_other_order_goes_on_meanwhile()
    {
        await engines.KafkaClientAsync(Cancellation);
        await using var host = StandaloneHost.Start(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        var run = await host.UpAsync(Cancellation);
        _api.BaseAddress = new Uri((string)run["api"]!);
        _api.DefaultRequestHeaders.Add("X-Api-Key", (string)run["apiKey"]!);
        var placed = Order.Place(Guid.NewGuid().ToString("D"), "c-1", "USD", [new OrderItem("cd-1177", 2, 11.77m)], TimeProvider.System.GetUtcNow().Truncated());
        var cancelled = Order.Apply(null, placed, placed.OrderedAt).Cancel("changed my mind");
        using (var producer = KafkaClients.Producer((string)run["kafka"]!, _ => { }))
        {
            await producer.ProduceAsync(Topics.OrderEvents, Message(placed, 1, """{"orderId":"torn"""u8.ToArray()), Cancellation);
            await producer.ProduceAsync(Topics.OrderEvents, Message(cancelled, 2, Json(cancelled)), Cancellation);
        }
        await StatesAsync(host, placed.OrderId, "Failed Waiting");
        (await _api.GetStringAsync("/health", Cancellation)).ShouldContain("Degraded");
        await IsInOrderViewAsync(run, (string)(await _api.PlaceAsync())["id"]!, "Pending 1");

        foreach (var letter in await LettersAsync(placed.OrderId, "Failed"))
        {
            using var redriven = await _api.SendAsync(OrderRequests.Post($"/operations/dead-letters/{letter["id"]}/redrive", $$"""{"reason":"torn on its way","value":{{Encoding.UTF8.GetString(Json(placed))}}}"""), Cancellation);
            redriven.IsSuccessStatusCode.ShouldBeTrue();
        }
        Kill(host, "projections");

        await StatesAsync(host, placed.OrderId, "Redriven Redriven");
        await IsInOrderViewAsync(run, placed.OrderId, "Cancelled 2");
        using var redis = await ConnectionMultiplexer.ConnectAsync((string)run["redis"]!);
        var generation = (string)(await redis.GetDatabase().HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        await UntilAsync(async () => CachedStatus.Parse(await redis.GetDatabase().StringGetAsync(RankingKeys.Order(generation, placed.OrderId))) is { Sequence: 2, Status: OrderStatus.Cancelled }, "the status in Redis");
        using var clickHouse = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)run["clickhouse"]!) };
        await UntilAsync(
            async () =>
            {
                using var answer = await clickHouse.PostAsync("/?database=analytics", new StringContent($"SELECT count(), sum(orders), sum(amount) FROM orders_analytics WHERE order_id = '{placed.OrderId}'"), Cancellation);
                return (await answer.Content.ReadAsStringAsync(Cancellation)).Trim() == "2\t0\t0";
            },
            "the facts in ClickHouse");
    }

    // the states of the order's letters, the same for each store's consumer
    private Task StatesAsync(StandaloneHost host, string orderId, string states) => UntilAsync(
        async () =>
        {
            var letters = await LettersAsync(orderId, state: null);
            return Stores.All(store => string.Join(' ', letters.Where(letter => (string)letter["consumer"]! == store).OrderBy(letter => (long)letter["offset"]!).Select(letter => (string)letter["state"]!)) == states);
        },
        $"{states}\n{host.Output}");

    private async Task<List<JsonNode>> LettersAsync(string orderId, string? state) =>
        [.. (await _api.GetObjectAsync($"/operations/dead-letters?key={orderId}{(state is null ? "" : "&state=" + state)}"))["items"]!.AsArray().Select(letter => letter!).Where(letter => Stores.Contains((string)letter["consumer"]!))];

    private static async Task IsInOrderViewAsync(JsonObject run, string orderId, string expected)
    {
        await using var views = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder((string)run["postgres"]!) { Database = "views" }.ConnectionString);
        await UntilAsync(
            async () =>
            {
                await using var command = views.CreateCommand($"SELECT concat_ws(' ', status, version) FROM order_view WHERE order_id = '{orderId}'");
                return await command.ExecuteScalarAsync(Cancellation) is string text && text == expected;
            },
            $"{orderId} as {expected}");
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!await condition())
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, what);
            await Task.Delay(TimeSpan.FromMilliseconds(50), Cancellation);
        }
    }

    private static void Kill(StandaloneHost host, string name) => ProcessTree.Signal((int)JsonNode.Parse(File.ReadAllText(host.RunFile))!["processes"]![name]!, "KILL");

    private static byte[] Json(OrderEvent happened) => JsonSerializer.SerializeToUtf8Bytes(happened, happened.GetType(), PlatformJson.Options);

    private static Message<byte[], byte[]> Message(OrderEvent happened, int sequence, byte[] value) => new()
    {
        Key = Encoding.UTF8.GetBytes(happened.OrderId),
        Value = value,
        Headers = EnvelopeHeaders.Of(Guid.NewGuid().ToString("D"), EventTypes.Of(happened).Name, "order", happened.OrderId, sequence, happened.OrderedAt, happened.OrderedAt, traceParent: null),
    };
}
