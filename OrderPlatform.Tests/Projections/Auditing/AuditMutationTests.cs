using System.Diagnostics;
using System.Text;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Projections.Auditing;

/// <summary>
/// The auditor is proven: single facts are dropped, doubled, altered and reordered in each store, one at a time, and each must
/// be named, exactly. What can be repaired is repaired by the repair, and the next audit is clean.
/// </summary>
public sealed class AuditMutationTests(EngineFixture engines, ITestOutputHelper output) : IAsyncLifetime
{
    private const int Orders = 150;

    private readonly List<string> _missed = [];
    private AuditedPlatform _platform = null!;
    private int _mutations;

    public async ValueTask InitializeAsync()
    {
        _platform = await AuditedPlatform.StartAsync(engines, ("Auditing:Bound", "00:00:01"));
        await _platform.PlaceAsync(Orders, seed: 3);
        await _platform.PublishAsync();
        await _platform.CatchUpAsync();
        // what is missing counts once it is older than the bound
        await AuditedPlatform.ExecuteAsync(_platform.Orders, "SELECT pg_sleep_until(max(recorded_at) + interval '1.1 s') FROM event_log");
    }

    public ValueTask DisposeAsync() => _platform.DisposeAsync();

    [Fact]
    public async Task Every_single_change_in_every_store_is_found()
    {
        (await _platform.AuditAsync([.. AuditNames.All])).ToString().ShouldBe("clean\n");

        foreach (var store in (Func<Task>[])[InTheEventLogAsync, InKafkaAsync, InTheOrderViewAsync, InRedisAsync, InClickHouseAsync])
        {
            var (since, before) = (Stopwatch.GetTimestamp(), _mutations);
            await store();
            output.WriteLine($"{store.Method.Name}: {_mutations - before} mutations in {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s");
        }

        (await _platform.AuditAsync([.. AuditNames.All])).ToString().ShouldBe("clean\n");
        output.WriteLine($"mutations found {_mutations - _missed.Count} of {_mutations}");
        _missed.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_violation_counts_once_and_every_comparison_is_an_outcome()
    {
        await AuditedPlatform.ExecuteAsync(_platform.Views, "DELETE FROM order_view WHERE ctid = (SELECT min(ctid) FROM order_view)");
        await _platform.AuditAsync(AuditNames.OrderView);
        await AuditedPlatform.ExecuteAsync(_platform.Views, "DELETE FROM order_view WHERE ctid = (SELECT min(ctid) FROM order_view)");
        var second = await _platform.AuditAsync(AuditNames.OrderView);
        second.Violations.Count.ShouldBe(2);
        (await _platform.RepairAsync(second, AuditNames.OrderView)).State.ShouldBe("clean");

        (await _platform.CountsAsync("audit.violation_count")).ShouldBe((2, 1), "two rows, each counted by the first run that named it, and a run without a new one");
        (await _platform.CountsAsync("e2e.consistency_check.pass_rate")).ShouldBe((2, 1));
    }

    [Fact]
    public async Task A_store_that_cannot_be_compared_is_neither_right_nor_wrong()
    {
        await AuditedPlatform.ExecuteAsync(_platform.Views, "UPDATE sales_facts_plan SET pending = '{}'");

        var audited = await _platform.AuditAsync(AuditNames.SalesFacts, AuditNames.OrderView);

        audited.State.ShouldStartWith("failed");
        audited.Violations.ShouldBeEmpty();
        (await _platform.CountsAsync("e2e.consistency_check.pass_rate")).ShouldBe((0, 1), "the order view's alone");
    }

    [Fact]
    public async Task Scheduled_runs_keep_their_interval_and_what_a_killed_process_has_left_has_failed()
    {
        await AuditedPlatform.ExecuteAsync(_platform.Views, "INSERT INTO audit_run (id, audits, requested_by, state, requested_at) VALUES (gen_random_uuid(), '{orders}', 'schedule', 'running', now() - interval '6 minutes')");
        await _platform.Auditor.RunDueAsync(TestContext.Current.CancellationToken);
        await _platform.Auditor.RunDueAsync(TestContext.Current.CancellationToken);

        (await AuditedPlatform.ScalarAsync(_platform.Views, "SELECT string_agg(state || ' ' || cardinality(audits), ', ' ORDER BY requested_at) FROM audit_run")).ShouldBe($"failed 1, clean {AuditNames.All.Count}");
    }

    private async Task InTheEventLogAsync()
    {
        // an order with three events or more, none of them the last of all
        var id = (string)(await AuditedPlatform.ScalarAsync(_platform.Orders, "SELECT id::text FROM orders WHERE version >= 3 ORDER BY id LIMIT 1"))!;
        var second = $"stream = 'order/{id}' AND sequence = 2";
        string Payload(string from, string to) => $"UPDATE event_log SET payload = convert_to(regexp_replace(convert_from(payload, 'UTF8'), '{from}', '{to}'), 'UTF8') WHERE {second}";
        await AuditedPlatform.ExecuteAsync(_platform.Orders, "CREATE TABLE log_as_it_was AS TABLE event_log; CREATE TABLE orders_as_they_were AS TABLE orders");
        (string What, string Sql, string Row)[] mutations =
        [
            ("drop", $"DELETE FROM event_log WHERE {second}", $"order/{id}@2"),
            ("drop the last", $"DELETE FROM event_log WHERE stream = 'order/{id}' AND sequence = (SELECT version FROM orders WHERE id = '{id}')", id),
            ("double in another month", $"INSERT INTO event_log (transaction_id, stream, sequence, event_id, type, topic, key, occurred_at, recorded_at, payload) SELECT transaction_id, stream, sequence, gen_random_uuid(), type, topic, key, occurred_at, '2001-01-01Z', payload FROM event_log WHERE {second}", $"order/{id}@2"),
            ("alter amount", Payload("\"totalAmount\":[0-9.]+", "\"totalAmount\":0.01"), $"order/{id}@2"),
            ("alter difference", Payload("\"amountDifference\":[-0-9.]+", "\"amountDifference\":0.01"), $"order/{id}@2"),
            ("alter status", Payload("\"newStatus\":\"[A-Za-z]+\"", "\"newStatus\":\"Shipped\""), $"order/{id}@"),
            ("alter customer", Payload("\"customerId\":\"[^\"]+\"", "\"customerId\":\"c-x\""), $"order/{id}@2"),
            ("reorder", $"UPDATE event_log SET position = DEFAULT WHERE {second}", $"order/{id}@2"),
            ("drop an order", $"DELETE FROM orders WHERE id = '{id}'", id),
            ("an order without events", "INSERT INTO orders SELECT '00000000-0000-0000-0000-000000000001', customer_id, currency, status, total_amount, version, items, created_at, updated_at FROM orders LIMIT 1", "00000000-0000-0000-0000-000000000001"),
            ("alter an order's amount", $"UPDATE orders SET total_amount = total_amount + 0.01 WHERE id = '{id}'", id),
            ("alter an order's status", $"UPDATE orders SET status = 'Shipped' WHERE id = '{id}'", id),
            ("alter an order's customer", $"UPDATE orders SET customer_id = 'c-x' WHERE id = '{id}'", id),
            ("alter an order's version", $"UPDATE orders SET version = version + 1 WHERE id = '{id}'", id),
            ("alter an order's items", $"UPDATE orders SET items = jsonb_set(items, '{{0,quantity}}', '9') WHERE id = '{id}'", id),
            ("alter an order's date", $"UPDATE orders SET created_at = created_at + interval '1 microsecond' WHERE id = '{id}'", id),
        ];
        foreach (var (what, sql, row) in mutations)
        {
            await AuditedPlatform.ExecuteAsync(_platform.Orders, sql);
            await FoundAsync($"event log: {what}", AuditNames.Orders, row, only: id);
            await AuditedPlatform.ExecuteAsync(_platform.Orders,
                "BEGIN; TRUNCATE event_log, orders; INSERT INTO event_log OVERRIDING SYSTEM VALUE TABLE log_as_it_was; INSERT INTO orders TABLE orders_as_they_were; COMMIT");
        }
    }

    private async Task InKafkaAsync()
    {
        var records = _platform.Read(Topics.OrderEvents);
        var events = records.GroupBy(record => Encoding.UTF8.GetString(record.Message.Key)).First(order => order.Count() >= 3).ToList();
        var (id, second) = (Encoding.UTF8.GetString(events[0].Message.Key), events[1]);
        IEnumerable<(int, Confluent.Kafka.Message<byte[], byte[]>)> All(Func<Confluent.Kafka.ConsumeResult<byte[], byte[]>, IEnumerable<Confluent.Kafka.Message<byte[], byte[]>>> of) => records.SelectMany(of, (record, message) => (record.Partition.Value, message));
        IEnumerable<(int, Confluent.Kafka.Message<byte[], byte[]>)> Instead(params Confluent.Kafka.Message<byte[], byte[]>[] messages) => All(record => record == second ? messages : [record.Message]);
        var message = second.Message;
        (string What, IEnumerable<(int, Confluent.Kafka.Message<byte[], byte[]>)> Records, string Row)[] mutations =
        [
            ("drop", Instead(), $"order/{id}@2"),
            ("drop the last", All(record => record == events[^1] ? [] : [record.Message]), $"order/{id}@{events.Count}"),
            ("double, with another amount", Instead(message, AuditedPlatform.Copy(message, payload: text => text.Replace("\"totalAmount\":", "\"totalAmount\":1", StringComparison.Ordinal))), $"order/{id}@2"),
            ("alter amount", Instead(AuditedPlatform.Copy(message, payload: text => text.Replace("\"totalAmount\":", "\"totalAmount\":1", StringComparison.Ordinal))), $"order/{id}@2"),
            ("alter status", Instead(AuditedPlatform.Copy(message, payload: text => text.Replace("Pending", "Shipped", StringComparison.Ordinal))), $"order/{id}@2"),
            ("alter customer", Instead(AuditedPlatform.Copy(message, payload: text => text.Replace("\"c-", "\"d-", StringComparison.Ordinal))), $"order/{id}@2"),
            ("alter id", Instead(AuditedPlatform.Copy(message, Envelope.Id, Guid.NewGuid().ToString())), $"order/{id}@2"),
            ("alter type", Instead(AuditedPlatform.Copy(message, Envelope.Type, "OrderCreated.v1")), $"order/{id}@2"),
            ("alter sequence", Instead(AuditedPlatform.Copy(message, Envelope.Sequence, "7")), $"order/{id}@7"),
            ("reorder", All(record => record == second ? [] : record == events[2] ? [record.Message, message] : [record.Message]), $"order/{id}@2"),
            ("an event that the log has not", Instead(message, AuditedPlatform.Copy(message, Envelope.Sequence, $"{events.Count + 1}")), $"order/{id}@{events.Count + 1}"),
        ];
        foreach (var (what, mutated, row) in mutations)
        {
            await _platform.RewriteAsync(Topics.OrderEvents, mutated);
            await FoundAsync($"kafka: {what}", AuditNames.Kafka, row, only: id);
        }
        await _platform.RewriteAsync(Topics.OrderEvents, Instead(message, message));
        (await _platform.AuditAsync(AuditNames.Kafka)).ToString().ShouldBe("clean\n", "a repeat is normal");
        await _platform.RewriteAsync(Topics.OrderEvents, All(record => [record.Message]));
    }

    private async Task InTheOrderViewAsync()
    {
        var id = (string)(await AuditedPlatform.ScalarAsync(_platform.Views, "SELECT order_id::text FROM order_view WHERE version >= 2 ORDER BY order_id LIMIT 1"))!;
        (string What, string Sql, string Row)[] mutations =
        [
            ("drop", $"DELETE FROM order_view WHERE order_id = '{id}'", id),
            ("double under another id", $"INSERT INTO order_view (order_id, customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text) SELECT '00000000-0000-0000-0000-000000000002', customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text FROM order_view WHERE order_id = '{id}'", "00000000-0000-0000-0000-000000000002"),
            .. new (string, string)[]
            {
                ("amount", "total_amount = total_amount + 0.01"), ("status", "status = 'Shipped'"), ("customer", "customer_id = 'c-x'"), ("currency", "currency = 'CHF'"), ("version", "version = version - 1"), ("version, too far", "version = 99"),
                ("items", "items = jsonb_set(items, '{0,quantity}', '9')"), ("created", "created_at = created_at - interval '1 day'"), ("updated", "updated_at = updated_at + interval '1 microsecond'"), ("words", "search_text = search_text || ' x'"),
            }.Select(set => ($"alter {set.Item1}", $"UPDATE order_view SET {set.Item2} WHERE order_id = '{id}'", id)),
        ];
        foreach (var (what, sql, row) in mutations)
        {
            await AuditedPlatform.ExecuteAsync(_platform.Views, sql);
            await FoundAndRepairedAsync($"order view: {what}", AuditNames.OrderView, row);
        }
        await AuditedPlatform.ExecuteAsync(_platform.Views, "UPDATE projection_progress SET next_offset = next_offset - 1 WHERE projection = 'order-view' AND partition = (SELECT min(partition) FROM projection_progress WHERE projection = 'order-view' AND next_offset > 0)");
        await FoundAsync("order view: progress", AuditNames.OrderView, "order.events", only: null);
        await AuditedPlatform.ExecuteAsync(_platform.Views, "UPDATE projection_progress SET next_offset = next_offset + 1 WHERE projection = 'order-view' AND partition = (SELECT min(partition) FROM projection_progress WHERE projection = 'order-view' AND next_offset > 0)");
    }

    private async Task InRedisAsync()
    {
        var redis = _platform.Redis.GetDatabase();
        var generation = (string)(await redis.HashGetAsync(RankingKeys.State, RankingKeys.Generation))!;
        var id = (string)(await AuditedPlatform.ScalarAsync(_platform.Orders, "SELECT id::text FROM orders WHERE status = 'Pending' ORDER BY id LIMIT 1"))!;
        var entry = RankingKeys.Order(generation, id);
        await FoundAndRepairedAsync("redis: drop an entry", AuditNames.Rankings, $"order {id}", () => redis.KeyDeleteAsync(entry));
        await FoundAndRepairedAsync("redis: alter an entry's status", AuditNames.Rankings, $"order {id}", () => redis.StringSetAsync(entry, new CachedStatus(1, OrderStatus.Shipped).ToString()));
        await FoundAndRepairedAsync("redis: alter an entry's sequence", AuditNames.Rankings, $"order {id}", () => redis.StringSetAsync(entry, new CachedStatus(99, OrderStatus.Pending).ToString()));
        await FoundAndRepairedAsync("redis: an entry of no order", AuditNames.Rankings, "order 00000000-0000-0000-0000-000000000003", () => redis.StringSetAsync(RankingKeys.Order(generation, "00000000-0000-0000-0000-000000000003"), new CachedStatus(1, OrderStatus.Pending).ToString()));

        var prefix = RankingKeys.Of(generation);
        var rankings = _platform.Redis.GetServer(_platform.Redis.GetEndPoints()[0]).Keys(pattern: prefix + "*").Select(key => (string)key!).Where(key => !key.EndsWith(RankingKeys.Orders, StringComparison.Ordinal) && !key.StartsWith(RankingKeys.Order(generation, ""), StringComparison.Ordinal)).Order().ToList();
        rankings.Count.ShouldBeGreaterThan(15);
        foreach (var (key, number) in rankings.Select((key, number) => (key, number)))
        {
            var first = (string)(await redis.SortedSetRangeByRankAsync(key, 0, 0))[0]!;
            var name = $"{key[prefix.Length..key.LastIndexOf(':')]} {key[(key.LastIndexOf(':') + 1)..]}";
            (string What, string Id, Func<Task> Change)[] mutations =
            [
                ("count", first, () => redis.HashIncrementAsync(key + RankingKeys.Orders, first)),
                ("drop a row of", first, () => Task.WhenAll(redis.SortedSetRemoveAsync(key, first), redis.HashDeleteAsync(key + RankingKeys.Orders, first))),
                ("a row too many in", "x", () => Task.WhenAll(redis.SortedSetAddAsync(key, "x", -1), redis.HashSetAsync(key + RankingKeys.Orders, "x", 1))),
                ("half a row of", first, () => redis.HashDeleteAsync(key + RankingKeys.Orders, first)),
            ];
            await FoundAndRepairedAsync($"redis: amount {name}", AuditNames.Rankings, $"{name} {first}", () => redis.SortedSetIncrementAsync(key, first, -1));
            var (what, row, change) = mutations[number % mutations.Length];
            await FoundAndRepairedAsync($"redis: {what} {name}", AuditNames.Rankings, $"{name} {row}", change);
        }
    }

    private async Task InClickHouseAsync()
    {
        var id = await _platform.ClickHouseAsync("SELECT order_id FROM orders_analytics WHERE sequence = 2 ORDER BY order_id LIMIT 1");
        var second = $"order_id = '{id}' AND sequence = 2";
        const string Columns = "order_id, sequence, customer_id, currency, ordered_at, orders, amount, products.id, products.quantity, products.amount, old_status, new_status, recorded_at, plan";
        string Alter(string set) => $"ALTER TABLE orders_analytics UPDATE {set} WHERE {second} SETTINGS mutations_sync = 2";
        (string What, string Sql, string Row)[] facts =
        [
            ("drop", $"ALTER TABLE orders_analytics DELETE WHERE {second} SETTINGS mutations_sync = 2", $"{id}@2"),
            ("double", $"INSERT INTO orders_analytics ({Columns}) SELECT {Columns} FROM orders_analytics WHERE {second}", $"{id}@2"),
            ("a fact of no order", $"INSERT INTO orders_analytics ({Columns}) SELECT 'x', * EXCEPT order_id FROM (SELECT {Columns} FROM orders_analytics WHERE {second})", "x@2"),
            ("alter amount", Alter("amount = amount + toDecimal64('0.01', 2)"), $"{id}@2"), ("alter status", Alter("new_status = 'Shipped'"), $"{id}@2"), ("alter customer", Alter("customer_id = 'c-x'"), $"{id}@2"),
            ("alter currency", Alter("currency = 'CHF'"), $"{id}@2"), ("alter orders", Alter("orders = orders + 1"), $"{id}@2"), ("alter date", Alter("ordered_at = ordered_at - 1"), $"{id}@2"), ("alter products", Alter("`products.quantity` = arrayMap(n -> n + 1, `products.quantity`)"), $"{id}@2"),
        ];
        foreach (var (what, sql, row) in facts)
        {
            await FoundAndRepairedAsync($"clickhouse: {what}", AuditNames.SalesFacts, row, () => _platform.ClickHouseAsync(sql));
        }
        foreach (var (table, key, counts) in ((string, string, string[])[])[
            ("sales_hourly", "currency, period", ["orders", "revenue", "facts"]), ("sales_daily", "currency, period", ["orders", "revenue", "facts"]),
            ("sales_by_product", "currency, period, product_id", ["quantity", "revenue", "facts"]), ("orders_by_status", "status", ["orders", "facts"])])
        {
            var row = await _platform.ClickHouseAsync($"SELECT concatWithSeparator(' ', {key}) AS k FROM {table} ORDER BY k LIMIT 1");
            var here = $"concatWithSeparator(' ', {key}) = '{row}'";
            foreach (var column in counts)
            {
                await FoundAndRepairedAsync($"clickhouse: {table} {column}", AuditNames.SalesFacts, row, () => _platform.ClickHouseAsync($"ALTER TABLE {table} UPDATE {column} = {column} + 1 WHERE {here} SETTINGS mutations_sync = 2"));
            }
            await FoundAndRepairedAsync($"clickhouse: drop a row of {table}", AuditNames.SalesFacts, row, () => _platform.ClickHouseAsync($"ALTER TABLE {table} DELETE WHERE {here} SETTINGS mutations_sync = 2"));
            await FoundAndRepairedAsync($"clickhouse: double {table}", AuditNames.SalesFacts, row, () => _platform.ClickHouseAsync($"INSERT INTO {table} SELECT * FROM {table} WHERE {here}"));
        }
        await InOrdersAnalyticsAsync();
    }

    private async Task InOrdersAnalyticsAsync()
    {
        var records = _platform.Read(Topics.OrdersAnalytics);
        var facts = records.GroupBy(record => Encoding.UTF8.GetString(record.Message.Key)).First(order => order.Count() >= 3).ToList();
        var (id, second) = (Encoding.UTF8.GetString(facts[0].Message.Key), facts[1]);
        await _platform.RewriteAsync(Topics.OrdersAnalytics, records.Select(record => (record.Partition.Value, record == second ? AuditedPlatform.Copy(record.Message, payload: text => text.Replace("\"amount\":", "\"amount\":1", StringComparison.Ordinal)) : record.Message)));
        await FoundAsync("orders_analytics: alter amount", AuditNames.SalesFacts, $"{id}@2", only: id);
        await _platform.RewriteAsync(Topics.OrdersAnalytics, records.Select(record => (record.Partition.Value, record == second ? facts[0].Message : record.Message)));
        await FoundAsync("orders_analytics: drop", AuditNames.SalesFacts, $"{id}@2", only: id);
        await _platform.RewriteAsync(Topics.OrdersAnalytics, records.Select(record => (record.Partition.Value, record.Message)));
    }

    private async Task<Audited> FoundAsync(string mutation, string audit, string row, string? only)
    {
        _mutations++;
        var found = await _platform.AuditAsync(audit);
        if (!found.Violations.Any(violation => violation.Row.Contains(row, StringComparison.Ordinal)))
        {
            _missed.Add($"{mutation}: {row} is not in {found}");
        }
        else if (only is not null && found.Violations.FirstOrDefault(violation => !violation.Row.Contains(only, StringComparison.Ordinal) && !violation.Row.Contains(row, StringComparison.Ordinal)) is { } other)
        {
            _missed.Add($"{mutation}: {other} was not touched");
        }
        return found;
    }

    private Task FoundAndRepairedAsync(string mutation, string audit, string row) => FoundAndRepairedAsync(mutation, audit, row, () => Task.CompletedTask);

    private async Task FoundAndRepairedAsync(string mutation, string audit, string row, Func<Task> change)
    {
        await change();
        // a changed fact is in no sum that was made before, so the sums it belongs to differ too
        var found = await FoundAsync(mutation, audit, row, only: audit == AuditNames.SalesFacts ? null : row);
        var repaired = await _platform.RepairAsync(found, audit);
        repaired.ToString().ShouldBe("clean\n", $"{mutation}, repaired:\n{await _platform.ReadAsync(found.Run)}");
    }
}
