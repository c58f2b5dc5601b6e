using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Engines.Kafka;

namespace OrderPlatform.Tests.Saga;

/// <summary>Participants without Kafka, on a database of their own: what they do beside each other, and when one of them dies between two steps.</summary>
public sealed class ParticipantTests(EngineFixture engines)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly ManualClock _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_is_taken_once_by_each_participant_however_often_and_wherever_it_comes()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var messages = new Messages(_clock);
        var participant = Inventory(database);
        var placed = messages.Placed("c-1", new OrderItem("p-1", 1, 1m));
        await participant.WriteAsync([placed, messages.Again(placed)], Cancellation);
        await database.ExecuteAsync("UPDATE reservation SET state = state || '{\"orderVersion\":0}'", Cancellation); // as if the state had no answer of its own

        await participant.WriteAsync([messages.Again(placed)], Cancellation);

        (await RowsAsync(database, "SELECT concat_ws(' ', participant, event_id) FROM inbox")).ShouldBe([$"saga-inventory {placed.Id}"]);
        (await RowsAsync(database, "SELECT state ->> 'orderVersion' FROM reservation")).ShouldBe(["0"]);
        (await RowsAsync(database, "SELECT concat_ws(' ', projection, topic, next_offset) FROM projection_progress")).ShouldBe(["saga-inventory order.events 3"]);
    }

    [Fact]
    public async Task Replicas_reserve_and_give_back_beside_each_other_without_oversell_or_deadlock()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        string[] products = ["p-1", "p-2", "p-3"];
        foreach (var product in products)
        {
            await database.ExecuteAsync($"INSERT INTO products VALUES ('{product}', 'x', NULL, 1, 'USD', 1, now(), now()); INSERT INTO stock VALUES ('{product}', 100, 0, 1)", Cancellation);
        }

        await Task.WhenAll(Enumerable.Range(0, 3).Select(replica => Task.Run(() => ReplicaAsync(replica), Cancellation)));

        var stock = await RowsAsync(database, "SELECT concat_ws(' ', on_hand, reserved, (SELECT count(*) FROM event_log WHERE stream = 'stock/' || product_id) = version - 1) FROM stock");
        stock.ShouldAllBe(product => product.StartsWith("100 ", StringComparison.Ordinal) && product.EndsWith(" t", StringComparison.Ordinal));
        (await RowsAsync(database, "SELECT product_id FROM stock_difference WHERE reserved <> held_by_orders")).ShouldBeEmpty();
        (await RowsAsync(database, "SELECT status FROM reservation GROUP BY status")).ShouldBe(["Reserved", "Rejected", "Cancelled"], ignoreOrder: true);
        (await RowsAsync(database, "SELECT stream FROM event_log GROUP BY stream HAVING max(sequence) - min(sequence) + 1 <> count(*)")).ShouldBeEmpty();

        async Task ReplicaAsync(int replica)
        {
            var random = new Random(replica);
            var messages = new Messages(_clock, replica);
            var participant = Inventory(database);
            for (var i = 0; i < 20; i++)
            {
                // lines in any order: the locks are taken in one
                var placed = Enumerable.Range(0, 5).Select(_ => messages.Placed("c-1", [.. products.OrderBy(_ => random.Next()).Take(2).Select(product => new OrderItem(product, random.Next(1, 4), 1m))])).ToList();
                await participant.WriteAsync(placed, Cancellation);
                await participant.TickAsync(Cancellation);
                var cancelled = placed.Where(_ => random.Next(3) == 0).ToList();
                if (cancelled.Count > 0)
                {
                    await participant.WriteAsync([.. cancelled.Select(order => messages.Of(order.Key, 2, Order.Apply(null, order.Read<OrderEvent>(), _clock.GetUtcNow()).Cancel(null)))], Cancellation);
                }
            }
            while (await participant.TickAsync(Cancellation))
            {
            }
        }
    }

    [Fact]
    public async Task Two_messages_of_a_new_order_that_reach_two_replicas_at_once_both_count()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        using var reserving = Payments(database, Simulator(database));
        using var cancelling = Payments(database, Simulator(database));
        var (reservations, cancellations) = (new Messages(_clock, 0), new Messages(_clock, 1));
        for (var i = 0; i < 20; i++)
        {
            var orders = Enumerable.Range(0, 20).Select(_ => Order.Apply(null, Order.Place(Guid.CreateVersion7().ToString("D"), "c-1", "USD", [new OrderItem("p-1", 1, 5m)], _clock.GetUtcNow()), _clock.GetUtcNow())).ToList();

            await Task.WhenAll(
                Task.Run(() => reserving.WriteAsync([.. orders.Select(order => reservations.Of(order.Id, 1, new StockReserved { OrderId = order.Id, OrderVersion = 1, CustomerId = "c-1", Currency = "USD", Amount = 5m, Items = [] }))], Cancellation), Cancellation),
                Task.Run(() => cancelling.WriteAsync([.. orders.Select(order => cancellations.Of(order.Id, 2, order.Cancel(null)))], Cancellation), Cancellation));
        }

        (await RowsAsync(database, "SELECT status FROM payment WHERE status NOT IN ('Refunding', 'Cancelled')")).ShouldBeEmpty();
        (await RowsAsync(database, "SELECT count(*)::text FROM payment")).ShouldBe(["400"]);
    }

    [Fact]
    public async Task A_charge_whose_process_dies_before_it_is_recorded_is_asked_for_again_and_made_once()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var dying = new DyingGateway(Simulator(database));
        using var first = Payments(database, dying);
        using var second = Payments(database, Simulator(database));
        var id = Guid.CreateVersion7().ToString("D");
        await first.WriteAsync([new Messages(_clock).Of(id, 1, new StockReserved { OrderId = id, OrderVersion = 1, CustomerId = "c-1", Currency = "USD", Amount = 5m, Items = [] })], Cancellation);

        await first.TickAsync(Cancellation);
        await dying.Charged.WaitAsync(Bound, Cancellation);
        (await second.TickAsync(Cancellation)).ShouldBeFalse("it is claimed");
        _clock.Advance(Payment.Claimed + TimeSpan.FromSeconds(1));
        await second.TickAsync(Cancellation);

        await UntilAsync(database, "SELECT status FROM payment", "Completed");
        // and the first one was only slow: its answer comes after all
        dying.Release();
        await dying.Answered.WaitAsync(Bound, Cancellation);
        (await RowsAsync(database, "SELECT concat_ws(' ', outcome, asked, refunded) FROM gateway_charge")).ShouldBe(["Charged 2 f"]);
        (await RowsAsync(database, $"SELECT concat_ws(' ', sequence, type) FROM event_log WHERE stream = 'payment/{id}'")).ShouldBe(["1 PaymentCompleted.v1"]);
    }

    [Fact]
    public async Task An_order_that_is_not_paid_in_time_is_cancelled()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var options = new OrderOptions();
        var participant = new OrdersParticipant(database.Source, new OrderHints(), Options.Create(options), _clock);
        var placed = Order.Place(Guid.CreateVersion7().ToString("D"), "c-1", "USD", [new OrderItem("p-1", 1, 5m)], _clock.GetUtcNow());
        await using (var connection = await database.Source.OpenConnectionAsync(Cancellation))
        {
            await OrderStore.InsertAsync(connection, Order.Apply(null, placed, _clock.GetUtcNow()), placed, Cancellation);
        }

        _clock.Advance(options.ChangeWindow + options.PaymentBound - TimeSpan.FromSeconds(1));
        await participant.TickAsync(Cancellation);
        (await RowsAsync(database, "SELECT status FROM orders")).ShouldBe(["Pending"]);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await participant.TickAsync(Cancellation);

        (await RowsAsync(database, "SELECT concat_ws(' ', status, version) FROM orders")).ShouldBe(["Cancelled 2"]);
        (await RowsAsync(database, "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'reason' FROM event_log WHERE sequence = 2")).ShouldBe(["payment timed out"]);
    }

    [Fact]
    public async Task A_key_that_was_given_back_before_it_was_charged_is_never_charged()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var gateway = Simulator(database);

        (await gateway.RefundAsync("k", Cancellation)).ShouldBeNull();
        var answers = await gateway.ChargeAsync("k", 5m, "USD", "c-twice", Cancellation).ToListAsync(Cancellation);

        answers.ShouldBe([new ChargeAnswer(null, "was called off"), new ChargeAnswer(null, "was called off")]);
    }

    private InventoryParticipant Inventory(OrdersDatabase database) => new(database.Source, Options.Create(new OrderOptions { ChangeWindow = TimeSpan.Zero }), _clock);

    private PaymentsParticipant Payments(OrdersDatabase database, IPaymentGateway gateway) => new(database.Source, gateway, _clock, NullLogger<PaymentsParticipant>.Instance);

    private static GatewaySimulator Simulator(OrdersDatabase database) => new(database.Source, Options.Create(new SimulatorOptions()));

    private static async Task UntilAsync(OrdersDatabase database, string sql, string expected)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (await RowsAsync(database, sql) is var rows && (rows is not [var row] || row != expected))
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, string.Join('\n', rows));
            await Task.Delay(20, Cancellation);
        }
    }

    private static async Task<List<string>> RowsAsync(OrdersDatabase database, string sql)
    {
        await using var command = database.Source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var rows = new List<string>();
        while (await reader.ReadAsync(Cancellation))
        {
            rows.Add(reader.GetString(0));
        }
        return rows;
    }

    /// <summary>Takes the money, and does not come back with the answer until it is released.</summary>
    private sealed class DyingGateway(GatewaySimulator gateway) : IPaymentGateway
    {
        private readonly TaskCompletionSource _charged = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Charged => _charged.Task;

        /// <summary>The answer was recorded.</summary>
        public Task Answered => _answered.Task;

        public void Release() => _released.SetResult();

        public async IAsyncEnumerable<ChargeAnswer> ChargeAsync(string idempotencyKey, decimal amount, string currency, string customerId, [EnumeratorCancellation] CancellationToken cancellation)
        {
            await foreach (var answer in gateway.ChargeAsync(idempotencyKey, amount, currency, customerId, cancellation))
            {
                _charged.SetResult();
                await _released.Task;
                yield return answer;
                _answered.SetResult();
            }
        }

        public Task<string?> RefundAsync(string idempotencyKey, CancellationToken cancellation) => gateway.RefundAsync(idempotencyKey, cancellation);
    }
}
