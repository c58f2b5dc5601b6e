using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.AppHost;

/// <summary>
/// Many orders at once, with refusals, silences, double answers, changes and cancellations at random moments, every event
/// sent a second time, and services killed: each order comes to one end, and all books agree.
/// </summary>
public sealed class SagaUnderFireTests(EngineFixture engines, ITestOutputHelper output) : IAsyncLifetime
{
    private const int Orders = 600;
    private const int Clients = 8;
    private const int ScarcePieces = 20;
    private static readonly string[] Targets = ["api", "relay", "postgres", "kafka"];
    private static readonly TimeSpan BackBound = TimeSpan.FromSeconds(60);

    private readonly SagaPlatform _platform = new()
    {
        Settings =
        {
            ["Orders__PaymentBound"] = "00:00:45",
            ["Payments__Simulator__DeclineRate"] = "0.1",
            ["Payments__Simulator__TimeoutRate"] = "0.1",
            ["Payments__Simulator__DoubleAnswerRate"] = "0.2",
        },
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => _platform.InitializeAsync();

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    /// <summary>ORDERPLATFORM_SEED repeats a schedule.</summary>
    [Fact]
    public async Task Every_order_comes_to_one_end_and_all_books_agree()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("ORDERPLATFORM_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        await engines.KafkaClientAsync(Cancellation);
        string[] products = [await _platform.ProductAsync(100_000), await _platform.ProductAsync(100_000), await _platform.ProductAsync(ScarcePieces)];

        var loading = Task.WhenAll(Enumerable.Range(0, Clients).Select(client => LoadAsync(new Random(seed + client), products)));
        foreach (var target in Targets)
        {
            await KillAsync(target);
        }
        await loading;
        SendEverythingAgain((string)_platform.RunFile["kafka"]!);
        await _platform.SettledAsync();

        var ends = await _platform.RowsAsync(
            """
            SELECT concat_ws(' ', count(*), status, reason) FROM orders LEFT JOIN
                (SELECT key, split_part(convert_from(payload, 'UTF8')::jsonb ->> 'reason', ':', 1) AS reason FROM event_log WHERE type = 'OrderCancelled.v1') AS cancelled ON key = id::text
            GROUP BY status, reason ORDER BY status, reason
            """);
        output.WriteLine(string.Join('\n', ends));
        await BooksAgreeAsync(products[2]);
    }

    private async Task BooksAgreeAsync(string scarce)
    {
        // everything that was told, in streams without gaps, and orders that are what their events say
        (await _platform.RowsAsync("SELECT stream FROM event_log GROUP BY stream HAVING max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)")).ShouldBeEmpty();
        (await _platform.RowsAsync("SELECT id::text FROM orders WHERE version <> (SELECT max(sequence) FROM event_log WHERE stream = 'order/' || id)")).ShouldBeEmpty();
        // no more sold than there was, and all that can be sold is sold or free
        (await _platform.RowsAsync($"SELECT concat_ws(' ', on_hand >= 0, reserved) FROM stock WHERE product_id = '{scarce}'")).ShouldBe(["t 0"]);
        // refunds are the cancelled paid orders', by events and by the gateway, and what was kept is what was delivered
        (await _platform.RowsAsync(Money("SELECT sum(total_amount) FROM orders WHERE status = 'Delivered'"))).ShouldBe(await _platform.RowsAsync(Money("SELECT sum(amount) FROM gateway_charge WHERE outcome = 'Charged' AND NOT refunded")));
        (await _platform.RowsAsync(Money("SELECT sum(amount) FROM gateway_charge WHERE refunded"))).ShouldBe(await _platform.RowsAsync(
            Money("SELECT sum((convert_from(payload, 'UTF8')::jsonb ->> 'amount')::numeric) FROM event_log WHERE type = 'PaymentRefunded.v1'")));
        (await _platform.RowsAsync(
            """
            SELECT order_id::text FROM payment JOIN orders ON id = order_id LEFT JOIN gateway_charge ON key = order_id || '/' || (state -> 'bill' ->> 'orderVersion')
            WHERE (payment.status = 'Refunded') <> (orders.status = 'Cancelled' AND coalesce(refunded, false))
            """)).ShouldBeEmpty();

        static string Money(string sum) => $"SELECT coalesce(({sum}), 0)::numeric(18, 2)::text";
    }

    private async Task LoadAsync(Random random, string[] products)
    {
        for (var i = 0; i < Orders / Clients; i++)
        {
            var product = random.Next(10) == 0 ? products[2] : products[random.Next(2)];
            var body = $$"""{"customerId":"c-{{random.Next(50)}}","currency":"USD","items":[{"productId":"{{product}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(1, 1000) / 100m}}}]}""";
            var key = Guid.NewGuid().ToString();
            var order = $"/orders/{(string)(await AnsweredAsync(() => OrderRequests.Post("/orders", body, key)))!["id"]!}";
            switch (random.Next(20))
            {
                case 0:
                    await Task.Delay(random.Next(1500), Cancellation);
                    await AnsweredAsync(() => OrderRequests.Post($"{order}/cancel", "", key + "-cancel"));
                    break;
                case 1:
                    await Task.Delay(random.Next(700), Cancellation);
                    await AnsweredAsync(() => OrderRequests.Patch($"{order}/items", $$"""{"items":[{"productId":"{{products[random.Next(3)]}}","quantity":2,"unitPrice":3.33}]}""", "*"));
                    break;
            }
        }
    }

    // asked again while a service is away; a conflict is an answer, when it is not about the key
    private async Task<JsonObject?> AnsweredAsync(Func<HttpRequestMessage> request)
    {
        while (true)
        {
            Cancellation.ThrowIfCancellationRequested();
            try
            {
                using var message = request();
                using var response = await _platform.Api.SendAsync(message, Cancellation);
                if ((int)response.StatusCode < 500 && response.Headers.RetryAfter is null)
                {
                    response.StatusCode.ShouldBeOneOf(HttpStatusCode.OK, HttpStatusCode.Created, HttpStatusCode.Conflict, HttpStatusCode.PreconditionFailed);
                    return await response.ReadObjectAsync();
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !Cancellation.IsCancellationRequested)
            {
                // the Api is being killed
            }
            await Task.Delay(100, Cancellation);
        }
    }

    private async Task KillAsync(string name)
    {
        var pid = PidOf(name);
        ProcessTree.Signal(pid, "KILL");
        await _platform.Host.EventuallyAsync(() => PidOf(name) is var now && now != 0 && now != pid, BackBound, $"the restart of {name}", Cancellation);
    }

    private int PidOf(string name)
    {
        try
        {
            return (int)JsonNode.Parse(File.ReadAllText(_platform.Host.RunFile))!["processes"]![name]!;
        }
        catch (FileNotFoundException)
        {
            return 0; // it is being replaced
        }
    }

    private static void SendEverythingAgain(string kafka)
    {
        using var consumer = KafkaClients.Consumer(kafka, $"again-{Guid.NewGuid()}", _ => { });
        using var producer = KafkaClients.Producer(kafka, config => config.LingerMs = 5);
        string[] topics = [Topics.OrderEvents, Topics.InventoryEvents, Topics.PaymentEvents, Topics.ShippingEvents];
        var open = new Dictionary<TopicPartition, long>();
        foreach (var partition in topics.SelectMany(topic => Enumerable.Range(0, Topics.Partitions).Select(number => new TopicPartition(topic, number))))
        {
            if (consumer.QueryWatermarkOffsets(partition, BackBound) is { High.Value: > 0 } ends)
            {
                open[partition] = ends.High.Value;
            }
        }
        consumer.Assign(open.Keys.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
        while (open.Count > 0)
        {
            var consumed = consumer.Consume(BackBound).ShouldNotBeNull();
            producer.Produce(consumed.Topic, new Message<byte[], byte[]> { Key = consumed.Message.Key, Value = consumed.Message.Value, Headers = consumed.Message.Headers });
            if (open.TryGetValue(consumed.TopicPartition, out var end) && consumed.Offset.Value >= end - 1)
            {
                open.Remove(consumed.TopicPartition);
                consumer.IncrementalUnassign([consumed.TopicPartition]);
            }
        }
        producer.Flush(Cancellation);
    }
}
