using System.Data;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// The event log with itself and with what is written beside it, in one snapshot: every stream goes 1, 2, 3 and so on, an
/// order's differences add up to its totals, and the row of every order and customer is the replay of its events.
/// </summary>
internal sealed class OrdersAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders) : IAudit
{
    private const string Log = "event-log";
    private const string OrderStream = EventTypes.Order + "/";

    /// <inheritdoc />
    public string Name => AuditNames.Orders;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        var streams = new Streams();
        var replayed = await ReplayAsync(connection, streams, findings, cancellation);
        foreach (var (stream, sequence) in streams.Gaps())
        {
            findings.Add(Log, ViolationKind.Missing, $"{stream}@{sequence}", $"event {sequence} of {streams.LastOf(stream)}", "nothing");
        }
        await CompareOrdersAsync(connection, replayed, findings, cancellation);
        await CompareCustomersAsync(connection, streams, findings, cancellation);
    }

    /// <inheritdoc />
    public Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<string>>(
        [.. violations.Select(violation => violation.Store == Log
            ? "not repaired: the event log is the source, nothing says what it must be. Kafka still has the event as it was published; put it back by hand, or restore the database"
            : "not repaired: the row and the event log are written in one transaction, so one of them was changed by hand. Decide which, and change the other by hand")]);

    private static async Task<Dictionary<Guid, OrderState>> ReplayAsync(NpgsqlConnection connection, Streams streams, Findings findings, CancellationToken cancellation)
    {
        // the position is taken under the aggregate's lock: it orders the events of a stream
        await using var command = new NpgsqlCommand("SELECT stream, sequence, event_id, type, occurred_at, payload FROM event_log ORDER BY position", connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var replayed = new Dictionary<Guid, OrderState>();
        while (await reader.ReadAsync(cancellation))
        {
            findings.Compared++;
            var (stream, sequence) = (reader.GetString(0), reader.GetInt32(1));
            var row = $"{stream}@{sequence}";
            var place = streams.Add(stream, sequence, Digest.Of(reader.GetGuid(2).ToString("D")));
            switch (place)
            {
                case Place.Repeated or Place.Different:
                    findings.Add(Log, ViolationKind.Doubled, row, "one event", $"another one: {reader.GetGuid(2)}");
                    continue;
                case Place.Late:
                    findings.Add(Log, ViolationKind.Reordered, row, $"before event {sequence + 1}", "behind it");
                    continue;
            }
            if (stream.StartsWith(OrderStream, StringComparison.Ordinal) && Guid.TryParse(stream[OrderStream.Length..], out var id))
            {
                var happened = LoggedOrder.Read(reader.GetString(3), reader.GetFieldValue<byte[]>(5));
                OrderState? before = replayed.TryGetValue(id, out var known) ? known : null;
                if (place == Place.Next && Contradiction(before, happened) is { } wrong)
                {
                    findings.Add(Log, ViolationKind.Altered, row, wrong, $"{happened.OldStatus?.ToString() ?? "nothing"} to {happened.NewStatus}, {happened.AmountDifference:F2} to {happened.TotalAmount:F2} {happened.Currency}, customer {happened.CustomerId}");
                }
                replayed[id] = OrderState.After(before, happened, sequence, reader.GetFieldValue<DateTimeOffset>(4));
            }
        }
        return replayed;
    }

    // What an event says of the one before, and of its own parts, must be so: consumers book by it.
    private static string? Contradiction(OrderState? before, OrderEvent happened)
    {
        var (orders, counted) = happened.NewStatus == OrderStatus.Cancelled ? (0, 0m) : (1, happened.TotalAmount);
        var (ordersBefore, countedBefore) = before is not { } known ? (0, 0m) : (known.Status == OrderStatus.Cancelled ? 0 : 1, known.CountedCents / 100m);
        return
            happened.OldStatus != before?.Status ? $"a change from {before?.Status.ToString() ?? "nothing"}"
            : before is { } state && (state.CustomerId, state.Currency, state.CreatedAt) != (happened.CustomerId, happened.Currency, happened.OrderedAt.UtcDateTime) ? $"the customer, currency and date of {state}"
            : happened.OrdersDifference != orders - ordersBefore || happened.AmountDifference != counted - countedBefore ? $"a difference of {orders - ordersBefore} orders and {counted - countedBefore:F2}"
            : happened.Products.Sum(product => product.Amount) != happened.AmountDifference ? $"products that add up to {happened.AmountDifference:F2}"
            : OrderState.ItemsOf(happened) is { } items && items.Sum(item => item.Amount) != happened.TotalAmount ? $"a total of {items.Sum(item => item.Amount):F2}"
            : null;
    }

    private static async Task CompareOrdersAsync(NpgsqlConnection connection, Dictionary<Guid, OrderState> replayed, Findings findings, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT id, {OrderRows.Columns} FROM orders", connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await OrderRows.CompareAsync(reader, replayed, "orders", findings, _ => null, cancellation);
    }

    private static async Task CompareCustomersAsync(NpgsqlConnection connection, Streams streams, Findings findings, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT id, version FROM customers", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            findings.Compared++;
            var (id, version) = (reader.GetString(0), reader.GetInt32(1));
            if (streams.LastOf($"{EventTypes.Customer}/{id}") is var last && last != version)
            {
                findings.Add("customers", ViolationKind.Altered, id, $"version {last}", $"version {version}");
            }
        }
    }
}
