using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Load;

/// <summary>How long after its recording in PostgreSQL an order is in Kafka, in Redis and in ClickHouse, at one rate after another.</summary>
public static class FreshnessBench
{
    // the first seconds are those of the just-in-time compiler
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <param name="Cores">CPU that the platform's processes used, in cores; the load generator's is not in it.</param>
    private sealed record Row(int PerSecond, int Orders, IReadOnlyDictionary<string, Percentiles> Latencies, double Cores);

    /// <summary>Places orders at each rate on a running standalone host and writes freshness.md and .json.</summary>
    public static async Task<int> RunAsync(RunningHost host, IReadOnlyList<int> rates, int seconds, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        using var api = host.Client(64);
        var rows = new List<Row>();
        await PlaceAsync(api, rates[0], WarmUp, cancellation);
        foreach (var rate in rates)
        {
            rows.Add(await MeasureAsync(host, api, rate, TimeSpan.FromSeconds(seconds), cancellation));
        }
        var text = Markdown(rows, seconds, host.Memory());
        Directory.CreateDirectory(resultsFolder);
        await File.WriteAllTextAsync(Path.Combine(resultsFolder, "freshness.md"), text, cancellation);
        await File.WriteAllTextAsync(Path.Combine(resultsFolder, "freshness.json"), JsonSerializer.Serialize(new { machine = Machine.Description, seconds, rows, residentMegabytes = host.Memory() }, Machine.Json) + "\n", cancellation);
        Console.WriteLine(text);
        return 0;
    }

    private static async Task<Row> MeasureAsync(RunningHost host, HttpClient api, int rate, TimeSpan duration, CancellationToken cancellation)
    {
        await using var watch = await FreshnessWatch.StartAsync(host);
        var (since, cpu) = (Stopwatch.GetTimestamp(), Cpu(host));
        var orders = await PlaceAsync(api, rate, duration, cancellation);
        var cores = (Cpu(host) - cpu) / Stopwatch.GetElapsedTime(since).TotalMicroseconds;
        for (since = Stopwatch.GetTimestamp(); !watch.HasSeen(orders) && Stopwatch.GetElapsedTime(since) < Drain;)
        {
            await Task.Delay(Poll, cancellation);
        }
        return new Row(rate, orders.Count, watch.Latencies(orders), Math.Round(cores, 2));
    }

    private static double Cpu(RunningHost host) => host.RunFile!.Value.GetProperty("processes").EnumerateObject().Sum(process => CpuTime.OfTree(process.Value.GetInt32()));

    private static async Task<IReadOnlyCollection<string>> PlaceAsync(HttpClient api, int perSecond, TimeSpan duration, CancellationToken cancellation)
    {
        var orders = new ConcurrentBag<string>();
        await OrderLoad.AtRateAsync(perSecond, duration, async () =>
        {
            using var response = await api.SendAsync(OrderLoad.Place(Random.Shared), cancellation);
            orders.Add(response.EnsureSuccessStatusCode().Headers.Location!.OriginalString.Split('/')[^1]);
        }, cancellation);
        return orders;
    }

    private static string Markdown(List<Row> rows, int seconds, IReadOnlyDictionary<string, int> memory)
    {
        var text = new StringBuilder()
            .AppendLine("# Freshness").AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"`dotnet run -c Release --project OrderPlatform.Bench -- freshness --rates {string.Join(',', rows.Select(row => row.PerSecond))} --seconds {seconds}` against a running standalone host on the same machine, {Machine.Description}, after {WarmUp.TotalSeconds:0} s of the first rate.")
            .AppendLine("From the recording of an order's first event in PostgreSQL until it is seen from outside: by a consumer, by the hint that follows the write to Redis, by its fact in ClickHouse (the views are written by the same insert; asked every 40 ms).").AppendLine()
            .AppendLine("| orders/s | to | p50 ms | p95 ms | p99 ms | max ms | orders seen | cores used |").AppendLine("|---:|---|---:|---:|---:|---:|---:|---:|");
        foreach (var row in rows)
        {
            foreach (var (store, of) in row.Latencies)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"| {row.PerSecond} | {store} | {of.P50Ms} | {of.P95Ms} | {of.P99Ms} | {of.MaxMs} | {of.Count:N0} of {row.Orders:N0} | {row.Cores:0.00} |");
            }
        }
        return text.AppendLine().AppendLine("Resident memory afterwards: " + string.Join(", ", memory.Select(process => $"{process.Key} {process.Value} MB")) + ".").ToString();
    }
}
