using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.Engines.ClickHouse;

/// <summary>What an acknowledged insert is worth. Each test runs an engine of its own.</summary>
public sealed class ClickHouseDurabilityTests : IDisposable
{
    private const int Rounds = 30;
    private const int Writers = 4;
    private const int RowsPerBatch = 500;

    private readonly string _folder = Directory.CreateTempSubdirectory("clickhouse-kill-").FullName;
    private readonly ClickHouseEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Survives_kill_nine()
    {
        var acknowledged = new ConcurrentQueue<int>();
        var unknown = new ConcurrentQueue<int>();
        var next = 0;
        for (var round = 0; round < Rounds; round++)
        {
            await using var running = await StartAsync();
            using var http = new ClickHouseHttp(running.Port);
            if (round == 0)
            {
                await CreateTablesAsync(http);
            }
            await MendAndCheckAsync(http, acknowledged, unknown);
            var before = acknowledged.Count;
            var writers = Enumerable.Range(0, Writers).Select(_ => WriteUntilKilledAsync(http, () => Interlocked.Increment(ref next), acknowledged, unknown)).ToArray();
            while (acknowledged.Count < before + 10 + (round % 7))
            {
                await Task.Delay(1, Cancellation);
            }
            await running.Process.KillAsync();
            await Task.WhenAll(writers);
        }
        await using var last = await StartAsync();
        using var reader = new ClickHouseHttp(last.Port);
        await MendAndCheckAsync(reader, acknowledged, unknown);

        acknowledged.Count.ShouldBeGreaterThan(Rounds * 10);
    }

    [Fact]
    public async Task A_token_that_a_kill_left_without_its_data_takes_them_when_they_come_again()
    {
        await using (var running = await StartAsync())
        {
            using var http = new ClickHouseHttp(running.Port);
            await CreateTablesAsync(http);
            await http.QueryAsync("SYSTEM STOP MERGES");
            await InsertAsync(http, 1);
            await InsertAsync(http, 2);
            await running.Process.KillAsync();
        }
        // as if the kill had come after the token was written and before the part had its name
        foreach (var part in Directory.GetDirectories(Path.Combine(_folder, "store"), "all_2_2_0", SearchOption.AllDirectories))
        {
            Directory.Delete(part, recursive: true);
        }
        await using var again = await StartAsync();
        using var reader = new ClickHouseHttp(again.Port);
        (await reader.QueryAsync("SELECT count() FROM facts")).ShouldBe($"{RowsPerBatch}");

        await InsertAsync(reader, 1);
        await InsertAsync(reader, 2);
        await InsertAsync(reader, 2);

        (await reader.QueryAsync("SELECT (SELECT count() FROM facts), (SELECT sum(count) FROM sums)")).ShouldBe($"{2 * RowsPerBatch}\t{2 * RowsPerBatch}");
    }

    [Fact]
    public async Task Stops_in_good_order_and_keeps_a_second_process_out()
    {
        await using var running = await StartAsync();
        using var http = new ClickHouseHttp(running.Port);
        var lines = new ConcurrentQueue<string>();
        await using (var second = ChildProcess.Start("second", await _engine.PrepareAsync(_folder, LoopbackPort.Free(), Cancellation), lines.Enqueue))
        {
            (await second.Exited.WaitAsync(TimeSpan.FromSeconds(20), Cancellation)).ShouldBe(1);
        }
        lines.Last().ShouldEndWith("stop the other process that uses it, or give another --data.");
        var endless = http.GetAsync(("query", "SELECT count() FROM numbers(1e13) WHERE NOT ignore(number)"));
        var since = System.Diagnostics.Stopwatch.GetTimestamp();

        (await running.Process.StopAsync()).ShouldBe(0);

        System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(TimeSpan.FromSeconds(3));
        await Should.ThrowAsync<HttpRequestException>(endless);
    }

    public void Dispose()
    {
        _engine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<RunningEngine> StartAsync() =>
        RunningEngine.StartAsync(_engine, _folder, 0, TestContext.Current.SendDiagnosticMessage, Cancellation);

    private static async Task CreateTablesAsync(ClickHouseHttp http)
    {
        await http.QueryAsync("CREATE TABLE facts (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 10000");
        await http.QueryAsync("CREATE TABLE sums (batch UInt32, count UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 10000");
        await http.QueryAsync("CREATE MATERIALIZED VIEW facts_to_sums TO sums AS SELECT batch, count() AS count, sum(toUInt64(n)) AS n FROM facts GROUP BY batch");
    }

    private static async Task WriteUntilKilledAsync(ClickHouseHttp http, Func<int> nextBatch, ConcurrentQueue<int> acknowledged, ConcurrentQueue<int> unknown)
    {
        while (true)
        {
            var batch = nextBatch();
            try
            {
                await InsertAsync(http, batch);
                acknowledged.Enqueue(batch);
            }
            catch (HttpRequestException)
            {
                unknown.Enqueue(batch);
                return;
            }
        }
    }

    // sends again what the kill left open, then every batch must be whole, once, in both tables
    private static async Task MendAndCheckAsync(ClickHouseHttp http, ConcurrentQueue<int> acknowledged, ConcurrentQueue<int> unknown)
    {
        var whole = $"{RowsPerBatch}\t{(long)RowsPerBatch * (RowsPerBatch - 1) / 2}";
        var facts = await TotalsAsync(http, "SELECT batch, count(), sum(n) FROM facts GROUP BY batch");
        var sums = await TotalsAsync(http, "SELECT batch, sum(count), sum(n) FROM sums GROUP BY batch");
        foreach (var batch in acknowledged)
        {
            facts.GetValueOrDefault(batch).ShouldBe(whole, $"acknowledged batch {batch} in the table");
            sums.GetValueOrDefault(batch).ShouldBe(whole, $"acknowledged batch {batch} in the view");
        }
        foreach (var batch in unknown)
        {
            facts.GetValueOrDefault(batch, whole).ShouldBe(whole, $"torn batch {batch}");
        }
        while (unknown.TryDequeue(out var batch))
        {
            await InsertAsync(http, batch);
            acknowledged.Enqueue(batch);
            (await http.QueryAsync($"SELECT count(), sum(n) FROM facts WHERE batch = {batch}")).ShouldBe(whole);
            (await http.QueryAsync($"SELECT sum(count), sum(n) FROM sums WHERE batch = {batch}")).ShouldBe(whole, $"mended batch {batch} in the view");
        }
    }

    private static async Task<Dictionary<int, string>> TotalsAsync(ClickHouseHttp http, string sql) =>
        (await http.QueryAsync(sql)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t', 2))
            .ToDictionary(row => int.Parse(row[0], CultureInfo.InvariantCulture), row => row[1]);

    private static Task InsertAsync(ClickHouseHttp http, int batch) => http.InsertAsync(
        "INSERT INTO facts FORMAT TSV",
        Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, RowsPerBatch).Select(n => $"{batch}\t{n}\n"))),
        ("insert_deduplication_token", $"batch-{batch}"),
        ("deduplicate_blocks_in_dependent_materialized_views", "1"));
}
