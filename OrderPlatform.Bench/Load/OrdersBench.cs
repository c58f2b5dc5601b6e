using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Setup;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// POST /orders with and without micro-batched commits, beside the floor: the same SQL by Npgsql alone. In turns, on a PostgreSQL
/// of its own and an Api process for each mode; relay and projections do not run.
/// </summary>
internal static class OrdersBench
{
    private const int Rounds = 5;
    private const double TargetAlone = 0.6;
    private const double TargetBatched = 1.5;
    private static readonly TimeSpan RoundLength = TimeSpan.FromSeconds(3);
    private static readonly int[] ClientCounts = [1, 4, 16, 64];

    /// <summary>Runs all rounds and writes orders.md and .json.</summary>
    public static async Task<int> RunAsync(string resultsFolder, CancellationToken cancellation)
    {
        var data = Directory.CreateTempSubdirectory("orderplatform-bench-orders-");
        try
        {
            await using var postgres = await RunningEngine.StartAsync(new PostgresEngine(), Path.Combine(data.FullName, "postgres"), 0, _ => { }, cancellation);
            string Database(string name) => PostgresEngine.ConnectionString(Path.Combine(data.FullName, "postgres"), postgres.Port, name);
            foreach (var name in (string[])["orders", "views"])
            {
                await PostgresDatabases.EnsureAsync(Database(name), cancellation);
                await PostgresMigrations.ApplyAsync(Database(name), name, cancellation);
            }
            var key = RandomNumberGenerator.GetHexString(32);
            await DevelopmentKey.EnsureAsync(Database("orders"), key, cancellation);
            await using var floor = await OrdersFloor.CreateAsync(Database("orders"), ClientCounts[^1], cancellation);
            await using var alone = await StartApiAsync(Database, microBatch: false, cancellation);
            await using var batched = await StartApiAsync(Database, microBatch: true, cancellation);
            Func<int, Task<Round>>[] sides =
            [
                clients => RunAsync(clients, _ => Task.FromResult(new Client(() => floor.PlaceAsync(cancellation))), cancellation),
                clients => RunAsync(clients, client => ConnectAsync(alone, key, client, cancellation), cancellation),
                clients => RunAsync(clients, client => ConnectAsync(batched, key, client, cancellation), cancellation),
            ];
            var rows = new List<Row>();
            foreach (var clients in ClientCounts)
            {
                rows.Add(await MeasureAsync(clients, sides));
                Console.WriteLine(rows[^1].Text);
            }
            Write(resultsFolder, rows);
            return rows[^1] is { AloneRatio: >= TargetAlone, BatchedRatio: >= TargetBatched } ? 0 : 1;
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }

    // the Api connects to Kafka, Redis and ClickHouse when it is asked for what they have: nobody asks
    private static Task<ApiProcess> StartApiAsync(Func<string, string> database, bool microBatch, CancellationToken cancellation) => ApiProcess.StartAsync(
        new Dictionary<string, string>
        {
            ["ConnectionStrings__orders"] = database("orders"),
            ["ConnectionStrings__views"] = database("views"),
            ["ConnectionStrings__kafka"] = "127.0.0.1:1",
            ["ConnectionStrings__redis"] = "127.0.0.1:1",
            ["ConnectionStrings__clickhouse"] = "Host=127.0.0.1;Port=1;Protocol=http;Database=analytics",
            ["Privacy__MasterKey"] = RandomNumberGenerator.GetHexString(64),
            ["Orders__MicroBatch"] = $"{microBatch}",
        },
        line => Console.WriteLine(line),
        cancellation);

    private static async Task<Row> MeasureAsync(int clients, Func<int, Task<Round>>[] sides)
    {
        var rounds = Array.ConvertAll(sides, _ => new List<Round>());
        for (var round = 0; round <= Rounds; round++) // the first one warms up
        {
            for (var side = 0; side < sides.Length; side++)
            {
                var ran = await sides[side](clients);
                if (round > 0)
                {
                    rounds[side].Add(ran);
                }
            }
        }
        var medians = rounds.Select(Median).ToList();
        return new Row(clients, medians[0], medians[1], medians[2]);
    }

    private static async Task<Client> ConnectAsync(ApiProcess api, string key, int client, CancellationToken cancellation)
    {
        var order = $$"""{"customerId":"c-{{client}}","currency":"USD","items":[{"productId":"p-17","quantity":2,"unitPrice":11.77},{"productId":"p-40","quantity":1,"unitPrice":3.20}]}""";
        var connection = await OrderConnection.OpenAsync(api.Address, key, order, cancellation);
        return new Client(() => connection.PlaceAsync(cancellation), connection);
    }

    private static async Task<Round> RunAsync(int clients, Func<int, Task<Client>> connect, CancellationToken cancellation)
    {
        var connected = await Task.WhenAll(Enumerable.Range(0, clients).Select(connect));
        var since = Stopwatch.GetTimestamp();
        var latencies = await Task.WhenAll(connected.Select(client => Task.Run(() => PlaceAsync(client, since), cancellation)));
        var elapsed = Stopwatch.GetElapsedTime(since);
        Array.ForEach(connected, client => client.Connection?.Dispose());
        var all = Percentiles.Of(latencies.SelectMany(one => one));
        return new Round(all.Count / elapsed.TotalSeconds, all.P50Ms, all.P99Ms);
    }

    private static async Task<List<double>> PlaceAsync(Client client, long since)
    {
        var latencies = new List<double>();
        for (var last = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(since, last) < RoundLength;)
        {
            await client.Place();
            var now = Stopwatch.GetTimestamp();
            latencies.Add(Stopwatch.GetElapsedTime(last, now).TotalMilliseconds);
            last = now;
        }
        return latencies;
    }

    private static Round Median(List<Round> rounds) => rounds.OrderBy(round => round.PerSecond).ElementAt(rounds.Count / 2);

    private static void Write(string folder, List<Row> rows)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, "orders.md"),
        [
            "# Writing orders", "",
            $"`dotnet run -c Release --project OrderPlatform.Bench -- orders`; {Machine.Description}. Orders a second and latency in ms (p50 / p99), medians of {Rounds} rounds of {RoundLength.TotalSeconds} s in turn, on a PostgreSQL of its own; relay and projections do not run. The floor is the same SQL by Npgsql alone, one transaction an order; *batched* is `Orders:MicroBatch`. The clients share the processors with what they measure.", "",
            "| clients | floor | alone | batched | alone / floor | batched / floor | floor ms | alone ms | batched ms |", "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            .. rows.Select(row => row.Text),
            "", $"Aims at {ClientCounts[^1]} clients: {TargetAlone.ToString(CultureInfo.InvariantCulture)} of the floor alone, {TargetBatched.ToString(CultureInfo.InvariantCulture)} batched.",
        ]);
        File.WriteAllText(Path.Combine(folder, "orders.json"), JsonSerializer.Serialize(new { machine = Machine.Description, rounds = Rounds, rows }, Machine.Json));
    }

    private sealed record Client(Func<Task> Place, IDisposable? Connection = null);

    private sealed record Round(double PerSecond, double P50Ms, double P99Ms)
    {
        internal string Latency => string.Create(CultureInfo.InvariantCulture, $"{P50Ms:F1} / {P99Ms:F1}");
    }

    private sealed record Row(int Clients, Round Floor, Round Alone, Round Batched)
    {
        public double AloneRatio => Alone.PerSecond / Floor.PerSecond;

        public double BatchedRatio => Batched.PerSecond / Floor.PerSecond;

        internal string Text => string.Create(
            CultureInfo.InvariantCulture,
            $"| {Clients} | {Floor.PerSecond:N0} | {Alone.PerSecond:N0} | {Batched.PerSecond:N0} | {AloneRatio:F2} | {BatchedRatio:F2} | {Floor.Latency} | {Alone.Latency} | {Batched.Latency} |");
    }
}
