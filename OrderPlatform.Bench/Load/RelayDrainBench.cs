using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Setup;

namespace OrderPlatform.Bench.Load;

/// <summary>How fast a backlog leaves the event log, in each mode of the relay, on engines of its own.</summary>
internal static class RelayDrainBench
{
    private const int EventsPerTransaction = 10;
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    /// <param name="CpuMicroseconds">Of the relay, for each event: it tells more than the rate on a machine that does other things too.</param>
    private sealed record Pass(string Mode, int Events, double EventsPerSecond, double CpuMicroseconds, int ResidentMegabytes);

    /// <summary>Drains that many events in each mode and writes relay-drain.md and .json.</summary>
    public static async Task<int> RunAsync(int events, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        var data = Directory.CreateTempSubdirectory("orderplatform-bench-relay-");
        try
        {
            await using var postgres = await RunningEngine.StartAsync(new PostgresEngine(), Path.Combine(data.FullName, "postgres"), 0, _ => { }, cancellation);
            await using var kafka = await RunningEngine.StartAsync(new KafkaEngine(), Path.Combine(data.FullName, "kafka"), 0, _ => { }, cancellation);
            await KafkaTopics.EnsureAsync(kafka.Address, replicationFactor: 1);
            var database = PostgresEngine.ConnectionString(Path.Combine(data.FullName, "postgres"), postgres.Port, "orders");
            await PostgresDatabases.EnsureAsync(database, cancellation);
            await PostgresMigrations.ApplyAsync(database, "orders", cancellation);
            await using var source = NpgsqlDataSource.Create(database);
            var passes = new List<Pass>();
            foreach (var mode in (RelayMode[])[RelayMode.Polling, RelayMode.Cdc])
            {
                passes.Add(await DrainAsync(source, database, kafka.Address, mode, events, cancellation));
                Console.WriteLine($"{mode}: {passes[^1].EventsPerSecond:N0} events/s, {passes[^1].CpuMicroseconds:0.0} µs of CPU each, {passes[^1].ResidentMegabytes} MB");
            }
            Write(resultsFolder, passes);
            return 0;
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }

    private static async Task<Pass> DrainAsync(NpgsqlDataSource source, string database, string kafka, RelayMode mode, int events, CancellationToken cancellation)
    {
        // what came before is published, and in CDC mode the slot is there
        await using (Start(database, kafka, mode))
        {
            await UntilAsync(async () => await ScalarAsync(source, "SELECT slot IS NOT NULL FROM relay_checkpoint") is var slot && (mode != RelayMode.Cdc || slot is true), cancellation);
        }
        await FillAsync(source, events, cancellation);
        var before = Published(kafka);
        await using var relay = Start(database, kafka, mode);
        long first = 0, published;
        var firstAt = 0L;
        do
        {
            await Task.Delay(Poll, cancellation);
            published = Published(kafka) - before;
            if (first == 0 && published > 0)
            {
                (first, firstAt) = (published, Stopwatch.GetTimestamp());
            }
        }
        while (published < events);
        var seconds = Stopwatch.GetElapsedTime(firstAt).TotalSeconds;
        using var process = Process.GetProcessById(relay.Id);
        return new Pass(mode.ToString(), events, Math.Round((events - first) / seconds), Math.Round(process.TotalProcessorTime.TotalMicroseconds / events, 1), (int)(process.WorkingSet64 / 1_000_000));
    }

    private static ChildProcess Start(string database, string kafka, RelayMode mode) => ChildProcess.Start(
        "relay",
        ChildCommand.DotNet(typeof(RelayOptions).Assembly.Location, "--urls", $"http://127.0.0.1:{LoopbackPort.Free()}") with
        {
            Environment = new Dictionary<string, string> { ["ConnectionStrings__orders"] = database, ["ConnectionStrings__kafka"] = kafka, ["Relay__Mode"] = $"{mode}" },
        },
        _ => { });

    // as orders write it: small transactions, payloads of some hundred bytes, many keys
    private static async Task FillAsync(NpgsqlDataSource source, int events, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using (var quick = new NpgsqlCommand("SET synchronous_commit = off", connection))
        {
            await quick.ExecuteNonQueryAsync(cancellation);
        }
        await using var command = new NpgsqlCommand(
            $"""
            DO $$
            BEGIN
                FOR transaction IN 1 .. {events / EventsPerTransaction} LOOP
                    INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload)
                    SELECT 'order/' || id, 1, gen_random_uuid(), 'OrderCreated.v1', 'order.events', id, now(), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00',
                        convert_to('{"{"}"orderId":"' || id || '","lines":"' || md5(id) || md5(id || 1) || md5(id || 2) || md5(id || 3) || repeat('-order-line', 20) || '"{"}"}', 'UTF8')
                    FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, {EventsPerTransaction})) AS ids;
                    COMMIT;
                END LOOP;
            END $$;
            """,
            connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static long Published(string kafka) => OrderEvents.Ends(kafka).Sum(end => end.Offset.Value);

    private static async Task<object?> ScalarAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync();
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(since) > Bound)
            {
                throw new BenchException("The relay does not start: see its log.");
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    private static void Write(string folder, List<Pass> passes)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "relay-drain.json"), JsonSerializer.Serialize(new { machine = Machine.Description, passes }, Machine.Json));
        File.WriteAllText(Path.Combine(folder, "relay-drain.md"), string.Create(CultureInfo.InvariantCulture,
            $"""
            # The relay's throughput

            `dotnet run -c Release --project OrderPlatform.Bench -- relay-drain --events {passes[0].Events}`, {Machine.Description}.
            A backlog of {passes[0].Events:N0} events of about 500 bytes, {EventsPerTransaction} in a transaction, each with a key of its own, from the event log to the embedded broker on {Topics.Partitions} partitions.
            From the first batch in Kafka to the last; CPU of the relay alone, its start included.

            | mode | events/s | µs of CPU per event | resident MB |
            |---|---|---|---|
            {string.Join('\n', passes.Select(pass => string.Create(CultureInfo.InvariantCulture, $"| {pass.Mode} | {pass.EventsPerSecond:N0} | {pass.CpuMicroseconds:0.0} | {pass.ResidentMegabytes} |")))}

            """));
    }
}
