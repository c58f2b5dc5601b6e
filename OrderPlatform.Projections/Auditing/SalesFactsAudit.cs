using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// ClickHouse with order.events: the writing is held for the moment in which the targets are compared with the facts' sums, and
/// with that the last plan and its vector are known. The facts up to that plan, which nothing changes any more, are then
/// compared one by one with those that the events tell; so are the records of orders_analytics, which lies in between.
/// </summary>
internal sealed class SalesFactsAudit(
    [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, ClickHouseClient clickHouse, IConfiguration configuration, Lag lag) : IAudit
{
    private const string Store = "clickhouse";
    private const string Transformer = "analytics-transformer";
    private const string FactsTable = $"{Store} orders_analytics";

    private readonly FactTargets _targets = new(clickHouse);

    /// <inheritdoc />
    public string Name => AuditNames.SalesFacts;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        var held = await CompareTargetsAsync(findings, cancellation);
        findings.Vector[Topics.OrdersAnalytics] = held.Vector;
        var told = await ToldAsync(held.Vector, findings, cancellation);
        await CompareFactsAsync(held.Number, told, findings, cancellation);
        if ((await new PlanStore(views, SalesFactsProjection.ProjectionName).LoadAsync(cancellation)).Generation != held.Generation)
        {
            throw new CannotBeAuditedException("The sales facts were rebuilt while they were read.");
        }
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation)
    {
        var named = violations.Where(violation => violation.Store == FactsTable).GroupBy(violation => violation.Row[..violation.Row.LastIndexOf('@')])
            .ToDictionary(order => order.Key, order => order.Max(violation => violation.Sequence ?? 0));
        await using var held = await HeldPlan.TakeAsync(views, cancellation);
        foreach (var (order, sequence) in named)
        {
            await RewriteAsync(order, sequence, held.Number + 1, cancellation);
        }
        await _targets.CorrectAsync(cancellation);
        await held.CommitAsync(await new SalesFacts.FactsTable(clickHouse).CountAsync(cancellation), cancellation);
        return [.. violations.Select(violation =>
            violation.Kind == ViolationKind.Stuck ? "not repaired: the projection itself is behind; its health says why"
            : violation.Store == Topics.OrdersAnalytics ? "not repaired: records of Kafka cannot be changed. ClickHouse's fact of it is, when it is named"
            : violation.Store == FactsTable ? "the order's facts were written anew"
            : "the row was set to the sum of the facts")];
    }

    private async Task<(long Number, Guid Generation, long[] Vector)> CompareTargetsAsync(Findings findings, CancellationToken cancellation)
    {
        await using var held = await HeldPlan.TakeAsync(views, cancellation);
        foreach (var difference in await _targets.CompareAsync(Findings.MaxKept, cancellation))
        {
            var kind = difference.IsMissing ? ViolationKind.Missing : difference.IsSurplus ? ViolationKind.Surplus : ViolationKind.Altered;
            findings.Add($"{Store} {difference.Target}", kind, difference.Row, difference.Expected, difference.Found);
        }
        return (held.Number, held.Generation, held.Vector);
    }

    // What the events tell, of it what the transformer has published before the vector, by order.
    private async Task<Dictionary<Guid, Told>> ToldAsync(long[] vector, Findings findings, CancellationToken cancellation)
    {
        var (published, told) = (new Letters(orders, SalesFactsProjection.ProjectionName, Topics.OrdersAnalytics), new Letters(orders, Transformer, Topics.OrderEvents));
        await published.LoadAsync(cancellation);
        await told.LoadAsync(cancellation);
        var facts = new Dictionary<Guid, Told>();
        using (var reader = new TopicReader(configuration.Required(Connections.Kafka), Topics.OrdersAnalytics))
        {
            await lag.CheckAsync(Store, Topics.OrdersAnalytics, vector, await reader.EndAsync(cancellation), findings, cancellation);
            await reader.ReadToAsync(vector, consumed => AddPublished(facts, consumed, published, told.Keys, findings), cancellation);
        }
        // read to its end after the other, it has whatever the other is made from
        using var events = new TopicReader(configuration.Required(Connections.Kafka), Topics.OrderEvents);
        await events.ReadToAsync(await events.EndAsync(cancellation), consumed =>
        {
            if (Read(consumed, told, record => SalesFact.Of(record.Read<OrderEvent>())) is { } fact && Guid.TryParse(fact.OrderId, out var id) && facts.TryGetValue(id, out var order))
            {
                AddTold(order, fact, findings);
            }
        }, cancellation);
        return facts;
    }

    private static FactLine? Read(ConsumeResult<byte[], byte[]> consumed, Letters letters, Func<Record, SalesFact> factOf)
    {
        if (!letters.Takes(consumed))
        {
            return null;
        }
        try
        {
            var record = Record.From(consumed);
            return FactLine.Of(record.Key, record.Sequence, record.RecordedAt, factOf(record));
        }
        catch (PoisonRecordException)
        {
            return null;
        }
    }

    private static void AddPublished(Dictionary<Guid, Told> facts, ConsumeResult<byte[], byte[]> consumed, Letters published, HashSet<string> parked, Findings findings)
    {
        if (Read(consumed, published, record => record.Read<SalesFact>()) is not { } fact || !Guid.TryParse(fact.OrderId, out var id))
        {
            return;
        }
        var order = facts.TryGetValue(id, out var known) ? known : facts[id] = new Told();
        if (fact.Sequence > order.Hashes.Length)
        {
            for (var missing = order.Hashes.Length + 1; missing < fact.Sequence && !parked.Contains(fact.OrderId); missing++)
            {
                findings.Add(Topics.OrdersAnalytics, ViolationKind.Missing, $"{fact.OrderId}@{missing}", $"a fact before {fact.Sequence} at {consumed.TopicPartitionOffset}", "nothing");
            }
            Array.Resize(ref order.Hashes, fact.Sequence);
            order.Hashes[^1] = fact.Hash;
        }
    }

    // from then on the hash is that of the event's own fact
    private static void AddTold(Told order, FactLine fact, Findings findings)
    {
        if (fact.Sequence <= order.Read || fact.Sequence > order.Hashes.Length)
        {
            return;
        }
        order.Read = fact.Sequence;
        findings.Sums.Expect(fact.Currency, fact.Day, fact.Status, fact.Cents, fact.Hash);
        var published = order.Hashes[fact.Sequence - 1];
        if (published != fact.Hash && published != 0)
        {
            findings.Add(Topics.OrdersAnalytics, ViolationKind.Altered, $"{fact.OrderId}@{fact.Sequence}", fact.Text, $"a fact with the hash {published:x16}");
        }
        order.Hashes[fact.Sequence - 1] = fact.Hash;
    }

    private async Task CompareFactsAsync(long plan, Dictionary<Guid, Told> told, Findings findings, CancellationToken cancellation)
    {
        var last = (OrderId: "", Sequence: 0);
        await foreach (var fact in new FactsReader(clickHouse).ReadAsync(plan, cancellation))
        {
            findings.Compared++;
            findings.Sums.Find(fact.Currency, fact.Day, fact.Status, fact.Cents, fact.Hash);
            var hashes = Guid.TryParse(fact.OrderId, out var id) && told.TryGetValue(id, out var order) ? order.Hashes : [];
            var row = $"{fact.OrderId}@{fact.Sequence}";
            if ((fact.OrderId, fact.Sequence) == last)
            {
                findings.Add(FactsTable, ViolationKind.Doubled, row, "one fact", fact.Text, hashes.Length);
            }
            else if (fact.Sequence < 1 || fact.Sequence > hashes.Length)
            {
                findings.Add(FactsTable, ViolationKind.Surplus, row, "no such fact", fact.Text, hashes.Length);
            }
            else
            {
                if (hashes[fact.Sequence - 1] is var expected && expected != fact.Hash)
                {
                    findings.Add(FactsTable, ViolationKind.Altered, row, $"the fact with the hash {expected:x16}", fact.Text, hashes.Length);
                }
                hashes[fact.Sequence - 1] = 0; // found: what is left is missing
            }
            last = (fact.OrderId, fact.Sequence);
        }
        NameMissing(told, findings);
    }

    private static void NameMissing(Dictionary<Guid, Told> told, Findings findings)
    {
        foreach (var (order, facts) in told)
        {
            for (var sequence = 1; sequence <= facts.Hashes.Length; sequence++)
            {
                if (facts.Hashes[sequence - 1] is not 0 and var missing)
                {
                    findings.Compared++;
                    findings.Add(FactsTable, ViolationKind.Missing, $"{order:D}@{sequence}", $"the fact with the hash {missing:x16}", "nothing", facts.Hashes.Length);
                }
            }
        }
    }

    // An order's facts as its events tell them, no further than ClickHouse has come with the order. The views add what is inserted
    // to the targets, and not what is deleted: the targets are corrected afterwards.
    private async Task RewriteAsync(string order, int sequence, long plan, CancellationToken cancellation)
    {
        var events = Guid.TryParse(order, out var id) ? await LoggedOrder.ReadAsync(orders, id, cancellation) : [];
        var parameters = new Dictionary<string, string> { ["id"] = FactsReader.Escaped(order) };
        var there = int.Parse(await clickHouse.QueryAsync("SELECT max(sequence) FROM orders_analytics WHERE order_id = {id:String}", parameters, cancellation));
        await clickHouse.QueryAsync("ALTER TABLE orders_analytics DELETE WHERE order_id = {id:String} SETTINGS mutations_sync = 2", parameters, cancellation);
        var facts = events.Take(Math.Max(sequence, there)).Select((logged, offset) => new Record(
            new TopicPartitionOffset(Topics.OrdersAnalytics, 0, offset), order, EventTypes.Of<SalesFact>().Name, logged.Sequence, logged.OccurredAt, logged.RecordedAt, logged.RecordedAt, null,
            JsonSerializer.SerializeToUtf8Bytes(SalesFact.Of(logged.Happened), PlatformJson.Options))).ToList();
        if (facts.Count > 0)
        {
            // a token of its own: what was deleted must not be taken for a repeat
            await new SalesFacts.FactsTable(clickHouse).InsertAsync($"repair-{Guid.NewGuid():N}", SalesFacts.FactRows.Of(plan, facts), cancellation);
        }
    }

    /// <summary>The facts of one order.</summary>
    private sealed class Told
    {
        /// <summary>Hash of each fact, by sequence.</summary>
        public ulong[] Hashes = [];

        /// <summary>Sequence of the last event that was compared with it.</summary>
        public int Read { get; set; }
    }
}
