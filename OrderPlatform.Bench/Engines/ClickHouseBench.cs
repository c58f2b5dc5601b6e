using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;

namespace OrderPlatform.Bench.Engines;

/// <summary>
/// What ClickHouse's HTTP interface costs: the same inserts and the same SELECT through it and by direct calls of libchdb, in turn.
/// The direct engine runs in this process, the other as a child, each on a data folder of its own.
/// </summary>
internal static class ClickHouseBench
{
    private const int Rounds = 7;
    private const int RowsASelect = 5_000_000;
    private const double Target = 0.8;
    private const string Insert = "INSERT INTO facts";
    private const string Empty = "TRUNCATE TABLE facts";
    private const string Select = "SELECT * FROM big";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly string[] Schema =
    [
        "CREATE TABLE facts (event UUID, day Date, customer UInt64, product UInt32, currency LowCardinality(String), orders Int8, cents Int64, status String) ENGINE = MergeTree ORDER BY (day, product)",
        "CREATE TABLE by_day (day Date, orders Int64, cents Int64) ENGINE = SummingMergeTree ORDER BY day",
        "CREATE TABLE by_product (product UInt32, orders Int64, cents Int64) ENGINE = SummingMergeTree ORDER BY product",
        "CREATE MATERIALIZED VIEW to_by_day TO by_day AS SELECT day, sum(orders) AS orders, sum(cents) AS cents FROM facts GROUP BY day",
        "CREATE MATERIALIZED VIEW to_by_product TO by_product AS SELECT product, sum(orders) AS orders, sum(cents) AS cents FROM facts GROUP BY product",
        $"CREATE TABLE big ENGINE = MergeTree ORDER BY number AS SELECT number, toString(number) AS text, toDateTime(number) AS time FROM numbers({RowsASelect})",
    ];

    private static readonly Work[] Works =
    [
        new("insert, 100,000 rows a batch", 100_000, 20),
        new("insert, 10,000 rows a batch", 10_000, 50),
        new("SELECT of 5,000,000 rows", RowsASelect, 0),
    ];

    /// <summary>Runs all rounds and writes clickhouse-http.md and .json.</summary>
    /// <param name="folder">Where to.</param>
    /// <returns>0 when every ratio reaches the target.</returns>
    public static async Task<int> RunAsync(string folder)
    {
        var data = Directory.CreateTempSubdirectory("clickhouse-bench-").FullName;
        using var engine = new ClickHouseEngine();
        await using var running = await RunningEngine.StartAsync(engine, Path.Combine(data, "http"), 0, Console.Error.WriteLine, CancellationToken.None);
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://{running.Address}") };
        using var database = ClickHouseDatabase.Open(new ClickHouseOptions(await engine.GetLibraryAsync(CancellationToken.None), Path.Combine(data, "direct"), 0));
        using var direct = database.OpenDirect();
        foreach (var sql in Schema)
        {
            direct.Query(Encoding.UTF8.GetBytes(sql), "Null").Dispose();
            (await http.PostAsync(new Uri("/", UriKind.Relative), new StringContent(sql))).EnsureSuccessStatusCode();
        }
        var results = new List<Result>();
        foreach (var work in Works)
        {
            var batch = work.Inserts == 0 ? [] : Rows(direct, work.Rows);
            Func<Task> byHttp = work.Inserts == 0 ? () => SelectAsync(http) : () => InsertAsync(http, batch, work.Inserts);
            Action directly = work.Inserts == 0 ? () => SelectDirectly(direct) : () => InsertDirectly(direct, batch, work.Inserts);
            var rows = (double)work.Rows * Math.Max(work.Inserts, 1);
            var (ofHttp, ofDirect) = (new List<double>(), new List<double>());
            for (var round = -1; round < Rounds; round++) // the first one warms up
            {
                // merges of one round's rows would be paid by the next
                direct.Query(Encoding.UTF8.GetBytes(Empty), "Null").Dispose();
                (await http.PostAsync(new Uri("/", UriKind.Relative), new StringContent(Empty))).EnsureSuccessStatusCode();
                var since = Stopwatch.GetTimestamp();
                directly();
                var middle = Stopwatch.GetTimestamp();
                await byHttp();
                ofDirect.Add(rows / Stopwatch.GetElapsedTime(since, middle).TotalSeconds);
                ofHttp.Add(rows / Stopwatch.GetElapsedTime(middle).TotalSeconds);
            }
            results.Add(new Result(work.Name, Median(ofDirect[1..]), Median(ofHttp[1..])));
            Console.WriteLine(results[^1].ToRow());
        }
        Write(folder, database.Version, results);
        return results.TrueForAll(r => r.Ratio >= Target) ? 0 : 1;
    }

    private static byte[] Rows(ChdbConnection direct, int rows)
    {
        var sql = $"SELECT generateUUIDv4(), toDate('2026-01-01') + number % 30, toUInt64(number % 5000), toUInt32(number % 300), ['EUR', 'USD'][number % 2 + 1], toInt8(1), toInt64(rand() % 100000), 'created' FROM numbers({rows})";
        using var result = direct.Query(Encoding.UTF8.GetBytes(sql), "RowBinary");
        return result.Bytes.ToArray();
    }

    private static void InsertDirectly(ChdbConnection direct, byte[] batch, int times)
    {
        for (var i = 0; i < times; i++)
        {
            using var insert = direct.Insert(Encoding.UTF8.GetBytes(Insert), "RowBinary", []);
            _ = insert.TryAppend(batch);
            insert.Complete().Dispose();
        }
    }

    private static async Task InsertAsync(HttpClient http, byte[] batch, int times)
    {
        for (var i = 0; i < times; i++)
        {
            using var content = new ByteArrayContent(batch) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
            using var response = await http.PostAsync(new Uri($"/?query={Uri.EscapeDataString(Insert)}+FORMAT+RowBinary", UriKind.Relative), content);
            response.EnsureSuccessStatusCode();
        }
    }

    // copied out of the engine's memory, as any caller has to
    private static void SelectDirectly(ChdbConnection direct)
    {
        var buffer = Array.Empty<byte>();
        foreach (var piece in direct.Stream(Encoding.UTF8.GetBytes(Select), "RowBinary", []))
        {
            using (piece)
            {
                buffer = buffer.Length < piece.Bytes.Length ? new byte[piece.Bytes.Length] : buffer;
                piece.Bytes.CopyTo(buffer);
            }
        }
    }

    private static async Task SelectAsync(HttpClient http)
    {
        using var response = await http.GetAsync(new Uri($"/?query={Uri.EscapeDataString(Select)}&default_format=RowBinary", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.EnsureSuccessStatusCode().Content.ReadAsStreamAsync();
        var buffer = new byte[1 << 18];
        while (await body.ReadAsync(buffer) > 0)
        {
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Write(string folder, string version, List<Result> results)
    {
        var machine = $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription} {RuntimeInformation.OSArchitecture}, {RuntimeInformation.FrameworkDescription}, ClickHouse {version} (libchdb)";
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "clickhouse-http.json"), JsonSerializer.Serialize(new { command = "clickhouse-http", machine, rounds = Rounds, results }, Json) + "\n");
        File.WriteAllLines(Path.Combine(folder, "clickhouse-http.md"),
        [
            "# ClickHouse over HTTP against direct calls of libchdb",
            "",
            $"Rows a second, medians of {Rounds} rounds in turn, one client, RowBinary, two materialized views on the inserts. Target: at least {Target:P0} of direct.",
            "",
            "| work | direct | HTTP | HTTP / direct |",
            "|---|---:|---:|---:|",
            .. results.Select(r => r.ToRow()),
            "",
            machine + ".",
            "",
            "`dotnet run -c Release --project OrderPlatform.Bench -- clickhouse-http`",
        ]);
    }

    private sealed record Work(string Name, int Rows, int Inserts);

    private sealed record Result(string Work, double DirectRowsPerSecond, double HttpRowsPerSecond)
    {
        public double Ratio => HttpRowsPerSecond / DirectRowsPerSecond;

        public string ToRow() => string.Create(CultureInfo.InvariantCulture, $"| {Work} | {DirectRowsPerSecond:N0} | {HttpRowsPerSecond:N0} | {Ratio:P0} |");
    }
}
