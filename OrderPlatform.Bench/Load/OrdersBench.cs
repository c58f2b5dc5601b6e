using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// POST /orders beside its floor: the same SQL transaction driven by Npgsql alone, with the same number of clients, in turns
/// on one running standalone host. Relay and projections are stopped for both.
/// </summary>
public static class OrdersBench
{
    private const int Rounds = 5;
    private static readonly TimeSpan RoundLength = TimeSpan.FromSeconds(4);
    private static readonly int[] ClientCounts = [1, 4, 16, 64];

    // the floor writes into tables of its own with the same indexes: what it writes is no order, and must not be published
    private const string OwnTables =
        """
        DROP SCHEMA IF EXISTS bench CASCADE;
        CREATE SCHEMA bench;
        CREATE TABLE bench.orders (LIKE public.orders INCLUDING ALL) WITH (fillfactor = 85);
        CREATE TABLE bench.idempotency (LIKE public.idempotency INCLUDING ALL);
        CREATE TABLE bench.event_log (LIKE public.event_log INCLUDING ALL);
        CREATE UNIQUE INDEX ON bench.event_log (stream, sequence);
        """;

    private static readonly byte[] Items = Encoding.UTF8.GetBytes("""[{"productId":"p-17","quantity":2,"unitPrice":11.77},{"productId":"p-40","quantity":1,"unitPrice":3.20}]""");

    /// <summary>Runs all rounds and writes orders.md and .json.</summary>
    public static async Task<int> RunAsync(RunningHost host, string resultsFolder, CancellationToken cancellation)
    {
        using var api = host.Client(ClientCounts[^1]);
        await using var postgres = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(host.Postgres!) { MaxPoolSize = ClientCounts[^1], SearchPath = "bench" }.ConnectionString);
        await ExecuteAsync(postgres, OwnTables, cancellation);
        var rows = new List<Row>();
        host.Signal("STOP", "relay", "projections");
        try
        {
            foreach (var clients in ClientCounts)
            {
                var (http, direct) = (new List<double>(), new List<double>());
                for (var round = 0; round <= Rounds; round++) // the first one warms up
                {
                    var (byHttp, bySql) = (await RateAsync(clients, () => PlaceAsync(api, cancellation)), await RateAsync(clients, () => WriteAsync(postgres, cancellation)));
                    if (round > 0)
                    {
                        http.Add(byHttp);
                        direct.Add(bySql);
                    }
                }
                rows.Add(new Row(clients, Median(http), Median(direct)));
                Console.WriteLine(rows[^1].Text);
            }
        }
        finally
        {
            host.Signal("CONT", "relay", "projections");
            await ExecuteAsync(postgres, "DROP SCHEMA bench CASCADE", cancellation);
        }
        Write(resultsFolder, rows);
        return rows[^1].Ratio >= 0.5 ? 0 : 1;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource source, string sql, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task PlaceAsync(HttpClient api, CancellationToken cancellation)
    {
        using var response = await api.SendAsync(OrderLoad.Place(Random.Shared), cancellation);
        response.EnsureSuccessStatusCode();
    }

    // what IdempotentWrites and OrderStore send, in the same round trips
    private static async Task WriteAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        var key = Guid.NewGuid().ToString();
        var id = Guid.CreateVersion7();
        var now = TimeProvider.System.GetUtcNow();
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using (var begin = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Command("SELECT pg_try_advisory_xact_lock($1)", Random.Shared.NextInt64()),
                Command("SELECT request_hash, status, headers::text, body FROM idempotency WHERE caller = $1 AND key = $2 AND expires_at > now()", "bench", key),
            },
        })
        {
            await begin.ExecuteNonQueryAsync(cancellation);
        }
        await using (var write = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Command(
                    "INSERT INTO orders (id, customer_id, currency, status, total_amount, version, items, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    id, "c-1", "USD", "Pending", 26.74m, 1, new NpgsqlParameter { Value = Items, NpgsqlDbType = NpgsqlDbType.Jsonb }, now, now),
                Command(
                    "INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8)",
                    $"bench/{id}", 1, Guid.CreateVersion7(), "BenchWritten.v1", "bench", $"{id}", now, RandomNumberGenerator.GetBytes(600)),
            },
        })
        {
            await write.ExecuteNonQueryAsync(cancellation);
        }
        await using (var record = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Command(
                    "INSERT INTO idempotency (caller, key, request_hash, status, headers, body, expires_at) VALUES ($1, $2, $3, 201, '{}', $4, now() + interval '1 day') ON CONFLICT (caller, key) DO NOTHING",
                    "bench", key, new byte[32], Items),
            },
        })
        {
            await record.ExecuteNonQueryAsync(cancellation);
        }
        await transaction.CommitAsync(cancellation);
    }

    private static NpgsqlBatchCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        }
        return command;
    }

    private static async Task<double> RateAsync(int clients, Func<Task> once)
    {
        var since = Stopwatch.GetTimestamp();
        var done = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            var count = 0;
            for (; Stopwatch.GetElapsedTime(since) < RoundLength; count++)
            {
                await once();
            }
            return count;
        })));
        return done.Sum() / Stopwatch.GetElapsedTime(since).TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Write(string folder, List<Row> rows)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, "orders.md"),
        [
            "# Writing orders", "",
            $"`dotnet run -c Release --project OrderPlatform.Bench -- orders` on a running standalone host, relay and projections stopped; {Machine.Description}. Orders a second, medians of {Rounds} rounds of {RoundLength.TotalSeconds} s in turn; the floor is the same SQL transaction by Npgsql alone.", "",
            "| clients | POST /orders | floor | ratio |", "|---:|---:|---:|---:|",
            .. rows.Select(row => row.Text),
        ]);
        File.WriteAllText(Path.Combine(folder, "orders.json"), JsonSerializer.Serialize(new { machine = Machine.Description, rounds = Rounds, rows }, Machine.Json));
    }

    private sealed record Row(int Clients, double HttpPerSecond, double FloorPerSecond)
    {
        public double Ratio => HttpPerSecond / FloorPerSecond;

        internal string Text => string.Create(CultureInfo.InvariantCulture, $"| {Clients} | {HttpPerSecond:N0} | {FloorPerSecond:N0} | {Ratio:F2} |");
    }
}
