using System.Data;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// What a transaction that is held open costs: events written and published a second, and dead tuples of the event log, before and
/// meanwhile; once it only reads (repeatable read), once it has written. In both modes of the relay, each on engines of its own, at the same time.
/// </summary>
internal static class HeldSnapshotBench
{
    private const int Writers = 8;
    private const double ThroughputKept = 0.9;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestBefore = TimeSpan.FromMinutes(2);

    /// <param name="DeadTuples">Of the event log at the end.</param>
    private sealed record Window(double WrittenPerSecond, double PublishedPerSecond, long DeadTuples);

    /// <param name="Health">What the relay's /health says at the end of the hold.</param>
    private sealed record Row(string Mode, string Holder, Window Before, Window During, string Health);

    /// <summary>Runs all four and writes held-snapshot.md and .json.</summary>
    public static async Task<int> RunAsync(TimeSpan held, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        List<Row> rows = [.. (await Task.WhenAll(OfModeAsync(RelayMode.Polling, held, cancellation), OfModeAsync(RelayMode.Cdc, held, cancellation))).SelectMany(mode => mode)];
        Directory.CreateDirectory(resultsFolder);
        await File.WriteAllTextAsync(Path.Combine(resultsFolder, "held-snapshot.json"), JsonSerializer.Serialize(new { machine = Machine.Description, minutes = held.TotalMinutes, rows }, Machine.Json) + "\n", cancellation);
        await File.WriteAllTextAsync(Path.Combine(resultsFolder, "held-snapshot.md"), Markdown(rows, held), cancellation);
        return rows.All(row => row.During.PublishedPerSecond >= ThroughputKept * row.Before.PublishedPerSecond && row.During.DeadTuples == 0) ? 0 : 1;
    }

    private static async Task<List<Row>> OfModeAsync(RelayMode mode, TimeSpan held, CancellationToken cancellation)
    {
        await using var engines = await RelayEngines.StartAsync(cancellation);
        await engines.ExecuteAsync("CREATE TABLE aggregate (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, version int NOT NULL)", cancellation);
        await using var relay = engines.StartRelay(mode, "bench");
        if (mode == RelayMode.Cdc)
        {
            await engines.UntilAsync("SELECT slot IS NOT NULL FROM relay_checkpoint", cancellation); // else the held transaction would keep it from being made
        }
        var rows = new List<Row>();
        foreach (var holder in (IsolationLevel[])[IsolationLevel.RepeatableRead, IsolationLevel.ReadCommitted])
        {
            rows.Add(await MeasureAsync(engines, relay, mode, holder, held, cancellation));
            Console.WriteLine(Text(rows[^1]));
        }
        return rows;
    }

    private static async Task<Row> MeasureAsync(RelayEngines engines, BenchRelay relay, RelayMode mode, IsolationLevel holder, TimeSpan held, CancellationToken cancellation)
    {
        var isReader = holder == IsolationLevel.RepeatableRead;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(() => WriteAsync(engines.Source, ending.Token), cancellation)));
        try
        {
            await Task.Delay(WarmUp, cancellation);
            var before = await WindowAsync(engines, held < LongestBefore ? held : LongestBefore, cancellation);
            await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(engines.ConnectionString) { ApplicationName = "held-snapshot" });
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await using var transaction = await connection.BeginTransactionAsync(holder, cancellation);
            await using (var begin = new NpgsqlCommand(isReader ? "SELECT count(*) FROM relay_checkpoint" : "SELECT pg_current_xact_id()", connection, transaction))
            {
                await begin.ExecuteScalarAsync(cancellation);
            }
            var during = await WindowAsync(engines, held, cancellation);
            using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
            using var health = await http.GetAsync(relay.Health, cancellation);
            return new Row($"{mode}", isReader ? "reader" : "writer", before, during, RelayIn(await health.Content.ReadAsStringAsync(cancellation)));
        }
        finally
        {
            await ending.CancelAsync();
            await writing;
        }
    }

    private static async Task<Window> WindowAsync(RelayEngines engines, TimeSpan length, CancellationToken cancellation)
    {
        using var kafka = KafkaClients.Reader(engines.Kafka.Address);
        async Task<(long Written, long Published)> CountAsync() =>
            ((long)(await engines.ScalarAsync("SELECT last_value FROM aggregate_id_seq", cancellation))!, OrderEvents.Ends(kafka).Sum(end => end.Offset.Value));

        var (since, first) = (Stopwatch.GetTimestamp(), await CountAsync());
        await Task.Delay(length, cancellation);
        var (last, seconds) = (await CountAsync(), Stopwatch.GetElapsedTime(since).TotalSeconds);
        var dead = (long)(decimal)(await engines.ScalarAsync("SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname LIKE 'event_log%'", cancellation))!;
        return new Window(Math.Round((last.Written - first.Written) / seconds), Math.Round((last.Published - first.Published) / seconds), dead);
    }

    // as a placed order does: the aggregate's row, and its event
    private static async Task WriteAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(
            """
            WITH placed AS (INSERT INTO aggregate (version) VALUES (1) RETURNING id::text)
            INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, payload)
            SELECT 'order/' || id, 1, gen_random_uuid(), 'OrderCreated.v1', 'order.events', id, now(), convert_to('{"padding":"' || repeat('x', 400) || '"}', 'UTF8') FROM placed
            """,
            connection);
        await command.PrepareAsync(CancellationToken.None);
        while (!cancellation.IsCancellationRequested)
        {
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private static string RelayIn(string health) =>
        JsonElement.Parse(health).GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("name").GetString() == "relay") is var relay
            ? $"{relay.GetProperty("status").GetString()}: {relay.GetProperty("description").GetString()}"
            : "";

    private static string Text(Row row) => string.Create(CultureInfo.InvariantCulture,
        $"| {row.Mode} | {row.Holder} | {row.Before.WrittenPerSecond:N0} | {row.During.WrittenPerSecond:N0} | {row.Before.PublishedPerSecond:N0} | {row.During.PublishedPerSecond:N0} | {row.Before.DeadTuples} | {row.During.DeadTuples} | {row.Health} |");

    private static string Markdown(List<Row> rows, TimeSpan held) => string.Create(CultureInfo.InvariantCulture,
        $"""
        # A transaction that is held open

        `dotnet run -c Release --project OrderPlatform.Bench -- held-snapshot --minutes {held.TotalMinutes:0.##}`, {Machine.Description}.
        {Writers} clients append events as fast as they can, each with the row of a new aggregate; the relay publishes. Both modes run beside each other, each on engines of its own. Before, and while another transaction is held open for {held.TotalMinutes:0.##} min: a reader at repeatable read, or a writer. Polling holds back that writer's own events and nobody else's (decision 8).

        | relay | held by a | written/s before | during | published/s before | during | dead tuples of the event log before | during | the relay's health at the end |
        |---|---|---:|---:|---:|---:|---:|---:|---|
        {string.Join('\n', rows.Select(Text))}

        """);
}
