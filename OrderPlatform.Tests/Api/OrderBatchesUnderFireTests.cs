using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Faults;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>Keys that are sent again and again, to replicas with and without batches, while PostgreSQL's answers are lost and its backends end.</summary>
public sealed class OrderBatchesUnderFireTests(EngineFixture engines)
{
    private const int Keys = 150;
    private const int SendersOfAKey = 3;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_key_makes_one_order_and_has_one_answer()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var (port, control) = (LoopbackPort.Free(), LoopbackPort.Free());
        await using var network = await FaultyNetwork.StartAsync([("postgres", port, (await engines.PostgresAsync()).Port)], control, Cancellation);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Port = port, GssEncryptionMode = GssEncryptionMode.Disable });
        await using var batching = new PlacingReplica(source);
        await using var another = new PlacingReplica(source);
        await using var alone = new PlacingReplica(source, microBatch: false);
        await Task.WhenAll(batching.StartAsync(), another.StartAsync());
        PlacingReplica[] replicas = [batching, another, alone];
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{control}") };
        await LoseAnswersAsync(http, 0.02);
        var repeats = 0;
        using var stop = new CancellationTokenSource();
        var ending = EndBackendsAsync(database, stop.Token);

        var answers = await Task.WhenAll(Enumerable.Range(0, Keys * SendersOfAKey).Select(sender => Task.Run(() => PlaceUntilAnsweredAsync(sender), Cancellation)));

        await stop.CancelAsync();
        await ending;
        repeats.ShouldBeGreaterThan(0);
        answers.GroupBy(answer => answer.Key).ShouldAllBe(key => key.Select(answer => Convert.ToBase64String(answer.Answer.Body)).Distinct().Count() == 1);
        (await database.ScalarAsync("SELECT concat_ws(' ', (SELECT count(*) FROM orders), (SELECT count(*) FROM event_log), (SELECT count(*) FROM idempotency))", Cancellation)).ShouldBe($"{Keys} {Keys} {Keys}");

        async Task<(string Key, Answer Answer)> PlaceUntilAnsweredAsync(int sender)
        {
            var key = $"key-{sender % Keys}";
            for (var attempt = sender; ; attempt++)
            {
                try
                {
                    return (key, await replicas[attempt % replicas.Length].PlaceAsync(key, TwoCds));
                }
                catch (Exception e) when (e is NpgsqlException or ProblemException { Status: 409 })
                {
                    Interlocked.Increment(ref repeats);
                    await Task.Yield();
                }
            }
        }
    }

    // in the middle of whatever they do
    private static async Task EndBackendsAsync(OrdersDatabase database, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await database.ExecuteAsync(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY random() LIMIT 1", CancellationToken.None);
            await Task.WhenAny(Task.Delay(20, stop));
        }
    }

    private static async Task LoseAnswersAsync(HttpClient control, double part)
    {
        using var content = new StringContent($$"""{"lostAnswers":{{part.ToString(System.Globalization.CultureInfo.InvariantCulture)}}}""");
        using var response = await control.PutAsync("/postgres", content, Cancellation);
        response.EnsureSuccessStatusCode();
    }
}
