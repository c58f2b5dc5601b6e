using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;
using Spectre.Console;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// The platform's promise tried on a running host: orders are created, changed and cancelled, requests and events are
/// repeated on purpose, then every indicator is held against its objective and the stores against the source.
/// </summary>
public static class ExperimentCommand
{
    private const int Clients = 16;
    private const double RepeatedRequests = 0.10;
    private const double RepeatedEvents = 0.20;
    private static readonly string[] Fields = ["name", "store", "value", "objective", "met"];
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <returns>0 when every objective is met and every store agrees with the source.</returns>
    public static async Task<int> RunAsync(RunningHost host, int orders, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        using var api = host.Client(Clients);
        var ends = OrderEvents.Ends(host.Kafka);
        await InjectAsync(api, orders, cancellation);
        AnsiConsole.WriteLine($"{ResendEvents(host.Kafka, ends, cancellation):N0} events were sent to Kafka a second time.");

        var equal = await AgreeAsync(host, api, cancellation);
        var met = await JudgeAsync(api, cancellation);
        AnsiConsole.MarkupLine(equal && met ? "[green]Verdict: every objective is met, every store agrees with the source.[/]" : "[red]Verdict: not as promised, see above.[/]");
        return equal && met ? 0 : 1;
    }

    private static Task InjectAsync(HttpClient api, int orders, CancellationToken cancellation) =>
        AnsiConsole.Progress().StartAsync(async progress =>
        {
            var task = progress.AddTask($"{orders:N0} orders, some changed, cancelled, sent twice", maxValue: orders);
            await Parallel.ForEachAsync(Enumerable.Range(0, orders), new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellation }, async (number, stop) =>
            {
                await OneAsync(api, new Random(number), stop);
                task.Increment(1);
            });
        });

    private static async Task OneAsync(HttpClient api, Random random, CancellationToken cancellation)
    {
        var key = Guid.NewGuid().ToString();
        var body = await OrderLoad.Place(random).Content!.ReadAsStringAsync(cancellation);
        var order = await AnsweredAsync(api, () => OrderLoad.Post("/orders", body, key), cancellation);
        if (random.NextDouble() < RepeatedRequests && await AnsweredAsync(api, () => OrderLoad.Post("/orders", body, key), cancellation) != order)
        {
            throw new BenchException($"A repeated request was answered differently: {order}");
        }
        var placed = JsonElement.Parse(order);
        var path = "/orders/" + placed.GetProperty("id").GetString();
        switch (random.Next(10))
        {
            case 0 or 1:
                await ChangeAsync(api, path, JsonElement.Parse(body).GetProperty("items")[0], placed.GetProperty("version").GetInt32(), cancellation);
                break;
            case 2:
                await AnsweredAsync(api, () => OrderLoad.Post(path + "/cancel", """{"reason":"experiment"}""", key + "-cancel"), cancellation);
                break;
        }
    }

    private static async Task ChangeAsync(HttpClient api, string path, JsonElement item, int version, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, path + "/items") { Content = new StringContent($$"""{"items":[{{item}},{{item}}]}""", Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("If-Match", $"\"{version}\"");
        using var response = await api.SendAsync(request, cancellation);
        response.EnsureSuccessStatusCode();
    }

    private static async Task<string> AnsweredAsync(HttpClient api, Func<HttpRequestMessage> request, CancellationToken cancellation)
    {
        using var response = await api.SendAsync(request(), cancellation);
        return await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(cancellation);
    }

    private static int ResendEvents(string bootstrapServers, IReadOnlyList<TopicPartitionOffset> from, CancellationToken cancellation)
    {
        using var consumer = KafkaClients.Consumer(bootstrapServers, "bench-" + Guid.NewGuid().ToString("N"), _ => { });
        using var producer = KafkaClients.Producer(bootstrapServers, config => config.LingerMs = 5);
        var until = OrderEvents.Ends(bootstrapServers).ToDictionary(end => end.TopicPartition, end => end.Offset);
        consumer.Assign(from.Where(partition => partition.Offset < until[partition.TopicPartition]));
        var resent = 0;
        while (!cancellation.IsCancellationRequested && consumer.Consume(TimeSpan.FromSeconds(2)) is { } consumed)
        {
            if (consumed.Offset < until[consumed.TopicPartition] && Random.Shared.NextDouble() < RepeatedEvents)
            {
                producer.Produce(Topics.OrderEvents, new Message<byte[], byte[]> { Key = consumed.Message.Key, Value = consumed.Message.Value, Headers = consumed.Message.Headers });
                resent++;
            }
        }
        producer.Flush(cancellation);
        return resent;
    }

    private static async Task<bool> AgreeAsync(RunningHost host, HttpClient api, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var source = await SourceAsync(host.Postgres!, cancellation);
            var sales = JsonElement.Parse(await api.GetStringAsync("/analytics/sales?grain=day&from=1970-01-01", cancellation)).GetProperty("rows").EnumerateArray().ToList();
            var live = JsonElement.Parse(await api.GetStringAsync("/analytics/status", cancellation)).GetProperty("rows").EnumerateArray().Sum(row => row.GetProperty("orders").GetInt64());
            var derived = (sales.Sum(row => row.GetProperty("orders").GetInt64()), sales.Sum(row => row.GetProperty("revenue").GetDecimal()));
            var equal = derived == (source.Orders, source.Revenue) && live == source.All;
            if (equal || Stopwatch.GetElapsedTime(since) > Bound)
            {
                AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"PostgreSQL: {source.Orders:N0} orders, {source.Revenue:N2} USD. ClickHouse: {derived.Item1:N0} orders, {derived.Item2:N2} USD. {(equal ? "Equal" : "NOT equal")}."));
                return equal;
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<(long Orders, decimal Revenue, long All)> SourceAsync(string connectionString, CancellationToken cancellation)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand("SELECT count(*) FILTER (WHERE status <> 'Cancelled' AND currency = 'USD'), coalesce(sum(total_amount) FILTER (WHERE status <> 'Cancelled' AND currency = 'USD'), 0), count(*) FROM orders");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetInt64(0), reader.GetDecimal(1), reader.GetInt64(2));
    }

    private static async Task<bool> JudgeAsync(HttpClient api, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var indicators = JsonElement.Parse(await api.GetStringAsync("/slo", cancellation)).GetProperty("indicators").EnumerateArray().ToList();
            var measured = indicators.All(indicator => indicator.GetProperty("value").ValueKind == JsonValueKind.Number);
            if (measured || Stopwatch.GetElapsedTime(since) > Bound)
            {
                var table = new Table().AddColumn("Indicator").AddColumn("Store").AddColumn("Value").AddColumn("Objective").AddColumn("Met");
                foreach (var indicator in indicators)
                {
                    table.AddRow([.. Fields.Select(field => Markup.Escape(indicator.GetProperty(field).ToString()))]);
                }
                AnsiConsole.Write(table);
                return measured && indicators.All(indicator => indicator.GetProperty("met").GetBoolean());
            }
            await Task.Delay(Poll, cancellation);
        }
    }
}
