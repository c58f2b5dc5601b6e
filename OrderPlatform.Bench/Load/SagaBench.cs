using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Npgsql;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// Many orders through the saga of a running standalone host: declined payments, products that run out, gateways that are silent
/// first or answer twice, changes and cancellations at random moments. Then every order is at an end and all books agree, or not.
/// </summary>
public static class SagaBench
{
    private const int Clients = 16;
    private const int Seed = 20_261_120;
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);

    // each must be empty at the end: what is missing, doubled, oversold, or kept by the gateway without a delivered order
    private static readonly (string Name, string Sql)[] Audits =
    [
        ("orders whose participants are not at their end", "SELECT count(*) FROM saga_unsettled"),
        ("products whose stock is not receipts less shipments, or whose reservations are not held", "SELECT count(*) FROM stock_difference"),
        ("payments that the gateway and the platform see differently", "SELECT count(*) FROM gateway_difference"),
        ("refunds without a cancelled or changed order, and cancelled paid orders without one",
            """
            SELECT count(*) FROM payment JOIN orders ON id = order_id LEFT JOIN gateway_charge ON key = order_id || '/' || (state -> 'bill' ->> 'orderVersion')
            WHERE (payment.status = 'Refunded') <> (orders.status = 'Cancelled' AND coalesce(refunded, false))
            """),
        ("streams with a gap or a repeat", "SELECT count(*) FROM (SELECT stream FROM event_log GROUP BY stream HAVING max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)) AS broken"),
    ];

    /// <summary>Runs it and writes saga.md.</summary>
    /// <returns>0 when all is as promised.</returns>
    public static async Task<int> RunAsync(RunningHost host, int orders, string resultsFolder, CancellationToken cancellation)
    {
        using var api = host.Client(Clients);
        await using var postgres = NpgsqlDataSource.Create(host.Postgres ?? throw new BenchException("This needs a standalone host of this repository: start one with `dotnet run --project OrderPlatform.AppHost`."));
        var products = await ProductsAsync(api, orders, cancellation);
        var before = (DateTimeOffset)(DateTime)(await postgres.CreateCommand("SELECT now()").ExecuteScalarAsync(cancellation))!;

        var since = Stopwatch.GetTimestamp();
        var cancelling = new ConcurrentBag<Task>();
        await Parallel.ForEachAsync(Enumerable.Range(0, orders), new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellation }, async (number, stop) =>
        {
            var random = new Random(Seed + number);
            var order = await PlaceAsync(api, random, products, stop);
            if (random.Next(100) < 5)
            {
                cancelling.Add(CancelAsync(api, order, TimeSpan.FromMilliseconds(random.Next(8000)), cancellation));
            }
        });
        var placed = Stopwatch.GetElapsedTime(since);
        await Task.WhenAll(cancelling);
        await SettledAsync(postgres, cancellation);
        var settled = Stopwatch.GetElapsedTime(since);

        var lines = await ReportAsync(postgres, before, orders, placed, settled, cancellation);
        var violations = await AuditAsync(postgres, cancellation);
        lines.AddRange(["", "| must be 0 | found |", "|---|---:|", .. violations.Select(audit => $"| {audit.Name} | {audit.Found} |")]);
        Directory.CreateDirectory(resultsFolder);
        await File.WriteAllLinesAsync(Path.Combine(resultsFolder, "saga.md"), lines, cancellation);
        lines.ForEach(Console.WriteLine);
        return violations.TrueForAll(audit => audit.Found == 0) ? 0 : 1;
    }

    // two that are always there, and one that runs out: about every twentieth order wants it
    private static async Task<string[]> ProductsAsync(HttpClient api, int orders, CancellationToken cancellation)
    {
        string[] products = ["bench-tape", "bench-cd", $"bench-rare-{Guid.NewGuid():N}"];
        foreach (var (product, pieces) in products.Zip([orders * 4, orders * 4, Math.Max(1, orders / 50)]))
        {
            // made by an earlier run: then it stays as it is
            using var put = new HttpRequestMessage(HttpMethod.Put, $"/products/{product}") { Content = new StringContent("""{"name":"Of the bench","price":2.50,"currency":"USD"}""", Encoding.UTF8, "application/json") };
            using var made = await api.SendAsync(put, cancellation);
            using var receipt = OrderLoad.Post($"/inventory/{product}/receipts", $$"""{"quantity":{{Math.Min(pieces, 1_000_000)}}}""", Guid.NewGuid().ToString());
            using var received = await api.SendAsync(receipt, cancellation);
            received.EnsureSuccessStatusCode();
        }
        return products;
    }

    private static async Task<string> PlaceAsync(HttpClient api, Random random, string[] products, CancellationToken cancellation)
    {
        // which way it goes is in the customer's id: the simulated gateway reads it there
        var customer = random.Next(100) switch { < 10 => "c-declined", < 15 => "c-timeout", < 20 => "c-twice", _ => $"c-{random.Next(500)}" };
        var product = random.Next(100) < 7 ? products[2] : products[random.Next(2)];
        var body = $$"""{"customerId":"{{customer}}","currency":"USD","items":[{"productId":"{{product}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(1, 10_000) / 100m}}}]}""";
        using var request = OrderLoad.Post("/orders", body, Guid.NewGuid().ToString());
        using var response = await api.SendAsync(request, cancellation);
        return response.EnsureSuccessStatusCode().Headers.Location!.ToString();
    }

    // at any moment of the order's life: 409 when it is shipped already
    private static async Task CancelAsync(HttpClient api, string order, TimeSpan after, CancellationToken cancellation)
    {
        await Task.Delay(after, cancellation);
        using var request = OrderLoad.Post(order + "/cancel", "", Guid.NewGuid().ToString());
        using var response = await api.SendAsync(request, cancellation);
        if (response.StatusCode != HttpStatusCode.Conflict)
        {
            response.EnsureSuccessStatusCode();
        }
    }

    private static async Task SettledAsync(NpgsqlDataSource postgres, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (await CountAsync(postgres, "SELECT count(*) FROM saga_unsettled", cancellation) > 0 && Stopwatch.GetElapsedTime(since) < Bound)
        {
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<List<(string Name, long Found)>> AuditAsync(NpgsqlDataSource postgres, CancellationToken cancellation)
    {
        var found = new List<(string, long)>();
        foreach (var (name, sql) in Audits)
        {
            found.Add((name, await CountAsync(postgres, sql, cancellation)));
        }
        return found;
    }

    private static async Task<List<string>> ReportAsync(NpgsqlDataSource postgres, DateTimeOffset before, int orders, TimeSpan placed, TimeSpan settled, CancellationToken cancellation)
    {
        await using var command = postgres.CreateCommand(
            """
            SELECT status || coalesce(' (' || reason || ')', ''), count(*), coalesce(sum(total_amount), 0),
                   percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM updated_at - created_at)::float8)
            FROM orders LEFT JOIN
                (SELECT key, coalesce(split_part(convert_from(payload, 'UTF8')::jsonb ->> 'reason', ':', 1), 'by the customer') AS reason FROM event_log WHERE type = 'OrderCancelled.v1') AS cancelled ON key = id::text
            WHERE created_at >= $1 GROUP BY 1 ORDER BY 2 DESC
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = before });
        List<string> lines =
        [
            "# Orders through the saga", "",
            string.Create(CultureInfo.InvariantCulture, $"`dotnet run -c Release --project OrderPlatform.Bench -- saga --orders {orders}` on a running standalone host; {Machine.Description}. {orders:N0} orders from {Clients} clients: 10 % for customers whose payments are declined, 5 % whose gateway is silent first, 5 % whose gateway answers twice, 7 % of a product that runs out, 5 % cancelled 0 to 8 s after their placing. Change window 3 s, courier after 1 s, delivery after 2 s."), "",
            string.Create(CultureInfo.InvariantCulture, $"Placed in {placed.TotalSeconds:F0} s; every order and every participant at its end after {settled.TotalSeconds:F0} s: {orders / settled.TotalSeconds:F0} orders/s."), "",
            "| end | orders | amount | from placing to the end, p50 s | p95 s | p99 s | longest s |", "|---|---:|---:|---:|---:|---:|---:|",
        ];
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var seconds = reader.GetFieldValue<double[]>(3);
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"| {reader.GetString(0)} | {reader.GetInt64(1):N0} | {reader.GetDecimal(2):N2} | {seconds[0]:F1} | {seconds[1]:F1} | {seconds[2]:F1} | {seconds[3]:F1} |"));
        }
        return lines;
    }

    private static async Task<long> CountAsync(NpgsqlDataSource postgres, string sql, CancellationToken cancellation)
    {
        await using var command = postgres.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }
}
