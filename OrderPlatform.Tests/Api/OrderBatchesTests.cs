using System.Diagnostics;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>Orders that are written in one transaction: each has the outcome that it would have had alone.</summary>
public sealed class OrderBatchesTests(EngineFixture engines)
{
    private const string Poisonous = "poison";
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Orders_that_come_together_are_one_transaction_and_each_keeps_its_trace()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var placing = new List<Task<Answer>>();
        var traces = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            using var activity = new Activity("request").Start();
            traces.Add(activity.Id!);
            placing.Add(replica.PlaceAsync($"key-{i}", OrderOf($"c-{i}")));
        }

        await replica.StartAsync();

        (await Task.WhenAll(placing)).ShouldAllBe(answer => answer.Status == 201);
        (await database.ScalarAsync("SELECT count(DISTINCT transaction_id) FROM event_log", Cancellation)).ShouldBe(1L);
        (await database.ScalarAsync("SELECT string_agg(traceparent, ' ' ORDER BY position) FROM event_log", Cancellation)).ShouldBe(string.Join(' ', traces));
        (await database.ScalarAsync("SELECT count(*) FROM orders JOIN event_log ON key = id::text AND convert_from(payload, 'UTF8')::jsonb ->> 'customerId' = customer_id", Cancellation)).ShouldBe(20L);
        (await database.ScalarAsync("SELECT count(*) FROM orders JOIN idempotency ON headers ->> 'Location' = '/orders/' || id", Cancellation)).ShouldBe(20L);
    }

    [Fact]
    public async Task A_key_twice_in_a_batch_makes_one_order_and_both_get_its_answer()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        Task<Answer>[] placing = [replica.PlaceAsync("key"), replica.PlaceAsync("key"), replica.PlaceAsync("other")];

        await replica.StartAsync();

        var answers = await Task.WhenAll(placing);
        answers[1].Body.ShouldBe(answers[0].Body);
        answers[1].Headers.ShouldBe(answers[0].Headers, ignoreOrder: true);
        await OrdersShouldBeAsync(database, 2);
    }

    [Fact]
    public async Task A_key_twice_in_a_batch_for_different_orders_is_refused_the_second_time()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var (first, second) = (replica.PlaceAsync("key", OrderOf("c-1")), replica.PlaceAsync("key", OrderOf("c-2")));

        await replica.StartAsync();

        (await first).Status.ShouldBe(201);
        await ShouldBeRefusedAsync(second, 422);
        await OrdersShouldBeAsync(database, 1);
    }

    [Fact]
    public async Task The_same_key_of_two_callers_makes_two_orders()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        Task<Answer>[] placing = [replica.PlaceAsync("key", caller: "shop"), replica.PlaceAsync("key", caller: "market")];

        await replica.StartAsync();

        (await Task.WhenAll(placing)).ShouldAllBe(answer => answer.Status == 201);
        await OrdersShouldBeAsync(database, 2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_key_that_was_answered_before_gives_that_answer_and_the_rest_of_the_batch_is_written(bool wasBatched)
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var earlier = new PlacingReplica(database.Source, wasBatched);
        await earlier.StartAsync();
        var before = await earlier.PlaceAsync("done");
        await earlier.PlaceAsync("used");
        await using var replica = new PlacingReplica(database.Source);
        var (repeat, wrong, fresh) = (replica.PlaceAsync("done"), replica.PlaceAsync("used", OrderOf("c-9")), replica.PlaceAsync("fresh"));

        await replica.StartAsync();

        (await repeat).Body.ShouldBe(before.Body);
        await ShouldBeRefusedAsync(wrong, 422);
        (await fresh).Status.ShouldBe(201);
        await OrdersShouldBeAsync(database, 3);
    }

    [Fact]
    public async Task A_key_that_is_being_worked_on_is_refused_for_now_and_the_rest_of_the_batch_is_written()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var connection = await database.Source.OpenConnectionAsync(Cancellation);
        await using var elsewhere = await connection.BeginTransactionAsync(Cancellation);
        await using var hold = new NpgsqlCommand("SELECT pg_advisory_xact_lock($1)", connection)
        {
            Parameters = { new NpgsqlParameter<long> { TypedValue = new IdempotentRequest("shop", "busy", [], ForGood: false).Lock } },
        };
        await hold.ExecuteNonQueryAsync(Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var (busy, fresh) = (replica.PlaceAsync("busy"), replica.PlaceAsync("fresh"));

        await replica.StartAsync();

        await ShouldBeRefusedAsync(busy, 409);
        (await fresh).Status.ShouldBe(201);
        await elsewhere.RollbackAsync(Cancellation);
        (await replica.PlaceAsync("busy")).Status.ShouldBe(201);
        await OrdersShouldBeAsync(database, 2);
    }

    [Fact]
    public async Task Keys_are_kept_for_a_day_those_of_imports_for_good_and_an_expired_one_is_free_again()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var import = TwoCds.TrimEnd('}') + ""","occurredAt":"1997-01-01T00:00:00Z"}""";
        Task<Answer>[] placing = [replica.PlaceAsync("day"), replica.PlaceAsync("good", import)];
        await replica.StartAsync();
        var before = await Task.WhenAll(placing);
        (await database.ScalarAsync("SELECT string_agg(key, ' ' ORDER BY key) FROM idempotency WHERE CASE key WHEN 'good' THEN expires_at = 'infinity' ELSE expires_at BETWEEN now() + interval '23 hours' AND now() + interval '25 hours' END", Cancellation)).ShouldBe("day good");
        await database.ExecuteAsync("UPDATE idempotency SET expires_at = now() - interval '1 second' WHERE key = 'day'", Cancellation);

        var (day, good) = (await replica.PlaceAsync("day"), await replica.PlaceAsync("good", import));

        day.Body.ShouldNotBe(before[0].Body);
        (await replica.PlaceAsync("day")).Body.ShouldBe(day.Body);
        good.Body.ShouldBe(before[1].Body);
        (await database.ScalarAsync("SELECT count(*) FROM orders", Cancellation)).ShouldBe(3L);
    }

    [Fact]
    public async Task An_order_that_PostgreSQL_refuses_fails_alone()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await database.ExecuteAsync($"ALTER TABLE orders ADD CHECK (customer_id <> '{Poisonous}')", Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var good = Enumerable.Range(0, 10).Select(i => replica.PlaceAsync($"key-{i}")).ToList();
        var refused = replica.PlaceAsync("refused", OrderOf(Poisonous));
        good.AddRange(Enumerable.Range(10, 10).Select(i => replica.PlaceAsync($"key-{i}")));

        await replica.StartAsync();

        (await Task.WhenAll(good)).ShouldAllBe(answer => answer.Status == 201);
        (await Should.ThrowAsync<PostgresException>(refused)).SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
        await OrdersShouldBeAsync(database, 20);
        (await replica.PlaceAsync("refused")).Status.ShouldBe(201, "nothing is kept of what failed");
    }

    [Fact]
    public async Task A_caller_who_left_before_the_batch_began_has_no_order()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        using var leaving = new CancellationTokenSource();
        var (left, stayed) = (replica.PlaceUntilAsync("left", leaving.Token), replica.PlaceAsync("stayed"));
        await leaving.CancelAsync();

        await replica.StartAsync();

        (await stayed).Status.ShouldBe(201);
        await Should.ThrowAsync<OperationCanceledException>(left);
        await OrdersShouldBeAsync(database, 1);
    }

    [Fact]
    public async Task What_waits_is_written_before_the_service_ends_and_what_comes_then_is_sent_elsewhere()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var placing = Enumerable.Range(0, 200).Select(i => replica.PlaceAsync($"key-{i}")).ToList();
        await replica.StartAsync();

        await replica.StopAsync();

        (await Task.WhenAll(placing).WaitAsync(Bound, Cancellation)).ShouldAllBe(answer => answer.Status == 201);
        (await ShouldBeRefusedAsync(replica.PlaceAsync("late"), 503)).RetryAfter.ShouldNotBeNull();
        await OrdersShouldBeAsync(database, 200);
    }

    [Fact]
    public async Task More_orders_than_may_wait_are_refused_and_can_be_sent_again()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var replica = new PlacingReplica(database.Source);
        var placing = new List<Task<Answer>>();
        while (placing.Count < 10_000 && placing.LastOrDefault() is not { IsFaulted: true })
        {
            placing.Add(replica.PlaceAsync($"key-{placing.Count}"));
        }
        (await ShouldBeRefusedAsync(placing[^1], 503)).RetryAfter.ShouldNotBeNull();

        await replica.StartAsync();

        (await Task.WhenAll(placing[..^1])).ShouldAllBe(answer => answer.Status == 201);
        (await replica.PlaceAsync($"key-{placing.Count - 1}")).Status.ShouldBe(201);
        await OrdersShouldBeAsync(database, placing.Count);
    }

    [Fact]
    public async Task A_server_that_turns_everybody_away_is_asked_once_for_all_who_wait()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var role = database.Name + "_none";
        await database.ExecuteAsync($"CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0", Cancellation);
        var asked = 0;
        var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role, Password = null }.ConnectionString);
        builder.UsePasswordProvider(_ => "secret", (_, _) => ValueTask.FromResult(Interlocked.Increment(ref asked) > 0 ? "secret" : ""));
        await using var refused = builder.Build();
        await using var replica = new PlacingReplica(refused);
        var placing = Enumerable.Range(0, 20).Select(key => replica.PlaceAsync($"key-{key}")).ToList();

        await replica.StartAsync();

        foreach (var one in placing)
        {
            (await Should.ThrowAsync<PostgresException>(one)).SqlState.ShouldBe(PostgresErrorCodes.TooManyConnections);
        }
        asked.ShouldBe(1);
        await database.ExecuteAsync($"DROP ROLE {role}", Cancellation);
    }

    private static string OrderOf(string customer) => TwoCds.Replace("c-1", customer, StringComparison.Ordinal);

    private static async Task<ProblemException> ShouldBeRefusedAsync(Task<Answer> placing, int status)
    {
        var problem = await Should.ThrowAsync<ProblemException>(placing);
        problem.Status.ShouldBe(status);
        return problem;
    }

    // each with its event and its answer
    private static async Task OrdersShouldBeAsync(OrdersDatabase database, long expected) =>
        (await database.ScalarAsync("SELECT concat_ws(' ', (SELECT count(*) FROM orders), (SELECT count(*) FROM event_log), (SELECT count(*) FROM idempotency))", Cancellation))
            .ShouldBe($"{expected} {expected} {expected}");
}
