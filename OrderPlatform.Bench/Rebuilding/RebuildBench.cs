using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Rebuilding;

/// <summary>
/// How fast projections are rebuilt from Kafka, on an idle platform: events are put straight into Kafka, the live projections catch up,
/// then each projection is rebuilt, and its result compared with the live one.
/// </summary>
public static class RebuildBench
{
    private const int Customers = 20_000;
    private const int Products = 2_000;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(2);

    /// <summary>Runs on a running standalone host with an empty data folder and writes rebuild.md and .json.</summary>
    /// <param name="events">Events to put into Kafka; 0 takes those that are there.</param>
    public static async Task<int> RunAsync(RunningHost host, int events, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        var since = Stopwatch.GetTimestamp();
        if (events > 0)
        {
            Generate(host.Kafka, events);
            Console.WriteLine($"{events:N0} events in Kafka after {Stopwatch.GetElapsedTime(since).TotalSeconds:0} s. The live projections catch up:");
        }
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        await UntilCaughtUpAsync(http, host.Projections, cancellation);
        Console.WriteLine($"Caught up after {Stopwatch.GetElapsedTime(since).TotalSeconds:0} s.");

        using var api = host.Client(1);
        var results = new List<RebuildResult>();
        foreach (var projection in RebuildableProjections.All)
        {
            var requested = await RebuildCommand.RequestAsync(api, "/operations/rebuilds", new { projection, reason = "measuring" }, cancellation);
            results.Add(RebuildResult.Of(await RebuildCommand.WatchAsync(api, requested.GetProperty("id").GetString()!, projection, cancellation)));
        }
        Write(resultsFolder, results);
        return results.TrueForAll(result => result.Equal) ? 0 : 1;
    }

    private static void Generate(string bootstrapServers, int events)
    {
        using var producer = KafkaClients.Producer(bootstrapServers, config =>
        {
            config.LingerMs = 20;
            config.CompressionType = CompressionType.Lz4;
            config.QueueBufferingMaxMessages = 200_000;
        });
        var random = new Random(1);
        for (var placed = 0; placed < events;)
        {
            foreach (var (happened, sequence) in History(random).Take(events - placed))
            {
                Produce(producer, happened, sequence);
                placed++;
            }
        }
        producer.Flush(CancellationToken.None);
    }

    // an order of 1 to 3 lines; one in eight is changed, one in twelve cancelled
    private static IEnumerable<(OrderEvent Happened, int Sequence)> History(Random random)
    {
        var now = TimeProvider.System.GetUtcNow().Truncated();
        var items = Enumerable.Range(0, random.Next(1, 4)).Select(_ => new OrderItem($"p-{random.Next(Products)}", random.Next(1, 4), random.Next(100, 10_000) / 100m)).ToList();
        var total = items.Sum(item => item.Amount);
        var products = items.GroupBy(item => item.ProductId).Select(product => new ProductDifference(product.Key, product.Sum(item => item.Quantity), product.Sum(item => item.Amount))).ToList();
        var created = new OrderCreated
        {
            OrderId = Guid.CreateVersion7(now).ToString("D"), CustomerId = $"c-{random.Next(Customers)}", Currency = "USD", OrderedAt = now, OldStatus = null, NewStatus = OrderStatus.Pending,
            TotalAmount = total, OrdersDifference = 1, AmountDifference = total, Products = products, Items = items,
        };
        yield return (created, 1);
        var sequence = 1;
        if (random.Next(8) == 0)
        {
            yield return (new OrderItemsChanged
            {
                OrderId = created.OrderId, CustomerId = created.CustomerId, Currency = created.Currency, OrderedAt = now, OldStatus = OrderStatus.Pending, NewStatus = OrderStatus.Pending,
                TotalAmount = total, OrdersDifference = 0, AmountDifference = 0, Products = [], Items = items,
            }, ++sequence);
        }
        if (random.Next(12) == 0)
        {
            yield return (new OrderCancelled
            {
                OrderId = created.OrderId, CustomerId = created.CustomerId, Currency = created.Currency, OrderedAt = now, OldStatus = OrderStatus.Pending, NewStatus = OrderStatus.Cancelled,
                TotalAmount = total, OrdersDifference = -1, AmountDifference = -total, Products = [.. products.Select(product => product with { Quantity = -product.Quantity, Amount = -product.Amount })],
            }, ++sequence);
        }
    }

    private static void Produce(IProducer<byte[], byte[]> producer, OrderEvent happened, int sequence)
    {
        var type = EventTypes.Of(happened);
        var message = new Message<byte[], byte[]>
        {
            Key = Encoding.UTF8.GetBytes(happened.OrderId),
            Value = JsonSerializer.SerializeToUtf8Bytes(happened, type.Payload, PlatformJson.Options),
            Headers = EnvelopeHeaders.Of(Guid.NewGuid().ToString("D"), type.Name, type.Aggregate, happened.OrderId, sequence, happened.OrderedAt, happened.OrderedAt, traceParent: null),
        };
        while (true)
        {
            try
            {
                producer.Produce(type.Topic, message);
                return;
            }
            catch (ProduceException<byte[], byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
            {
                producer.Poll(TimeSpan.FromMilliseconds(10));
            }
        }
    }

    // "order-view lags 0 records, ..." of each, and of the whole chain twice in a row
    private static async Task UntilCaughtUpAsync(HttpClient http, Uri projections, CancellationToken cancellation)
    {
        for (var quiet = 0; quiet < 3;)
        {
            // red as it may be meanwhile, such as when Redis answers late
            using var response = await http.GetAsync(new Uri(projections, "/health"), cancellation);
            var health = await response.Content.ReadAsStringAsync(cancellation);
            quiet = RebuildableProjections.All.All(projection => health.Contains($"{projection} lags 0 records", StringComparison.Ordinal)) ? quiet + 1 : 0;
            await Task.Delay(Poll, cancellation);
        }
    }

    private static void Write(string folder, List<RebuildResult> results)
    {
        var load = File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
        var text = new StringBuilder()
            .AppendLine("# Rebuilding projections").AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"`dotnet run -c Release --project OrderPlatform.Bench -- rebuild-speed` against a running standalone host on the same machine, {Machine.Description}; load average at the end {load}.")
            .AppendLine("Nothing else happens on the platform. The rate is that of reading the topic from its beginning into the shadow; the time is that from the request to the swap, with the comparison of both stores.").AppendLine()
            .AppendLine("| projection | events | events/s | seconds in all | equal to the live one |").AppendLine("|---|---|---|---|---|");
        foreach (var result in results)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {result.Projection} | {result.Events:N0} | {result.EventsPerSecond:N0} | {result.Seconds:0.0} | {(result.Equal ? "yes" : "NO")} |");
        }
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "rebuild.md"), text.ToString());
        File.WriteAllText(Path.Combine(folder, "rebuild.json"), JsonSerializer.Serialize(new { machine = Machine.Description, loadAverage = load, results }, Machine.Json));
        Console.WriteLine(text);
    }

    private sealed record RebuildResult(string Projection, long Events, long EventsPerSecond, double Seconds, bool Equal)
    {
        public static RebuildResult Of(JsonElement rebuild) => new(
            rebuild.GetProperty("projection").GetString()!,
            rebuild.GetProperty("progress").GetProperty("eventsDone").GetInt64(),
            rebuild.GetProperty("progress").GetProperty("eventsPerSecond").GetInt64(),
            (rebuild.GetProperty("finishedAt").GetDateTimeOffset() - rebuild.GetProperty("startedAt").GetDateTimeOffset()).TotalSeconds,
            rebuild.GetProperty("comparison").GetProperty("equal").GetBoolean());
    }
}
