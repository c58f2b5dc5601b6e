using System.Globalization;
using System.Text.Json;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Auditing;

/// <summary>A fact, as one line that says all of it.</summary>
internal sealed record FactLine(string OrderId, int Sequence, DateOnly Day, string Currency, string Status, long Cents, string Text)
{
    /// <summary>Hash of the whole.</summary>
    public ulong Hash => Digest.Of(Text);

    /// <summary>The fact that an event tells.</summary>
    public static FactLine Of(string orderId, int sequence, DateTimeOffset recordedAt, SalesFact fact) => Of(
        orderId, sequence, fact.CustomerId, fact.Currency, Time(fact.OrderedAt), fact.Orders, fact.Amount,
        fact.Products.Select(product => (product.ProductId, (long)product.Quantity, product.Amount)), fact.OldStatus?.ToString() ?? "", fact.NewStatus.ToString(), Time(recordedAt));

    /// <summary>A row of orders_analytics, with the columns of <see cref="FactsReader"/>.</summary>
    public static FactLine Of(JsonElement row) => Of(
        row[0].GetString()!, row[1].GetInt32(), row[2].GetString()!, row[3].GetString()!, row[4].GetString()!, row[5].GetInt32(), Money(row[6]),
        row[7].EnumerateArray().Zip(row[8].EnumerateArray(), row[9].EnumerateArray()).Select(product => (product.First.GetString()!, long.Parse(product.Second.GetString()!), Money(product.Third))),
        row[10].GetString()!, row[11].GetString()!, row[12].GetString()!);

    private static FactLine Of(
        string orderId, int sequence, string customerId, string currency, string orderedAt, int orders, decimal amount, IEnumerable<(string Id, long Quantity, decimal Amount)> products, string before, string after, string recordedAt) => new(
        orderId, sequence, DateOnly.ParseExact(orderedAt.AsSpan(0, 10), "yyyy-MM-dd"), currency, after, (long)(amount * 100),
        $"{sequence}: {before} to {after}, {orders} orders and {amount:F2} {currency} on {orderedAt}, customer {customerId}, {string.Join(", ", products.Select(product => $"{product.Quantity} {product.Id} {product.Amount:F2}"))}, recorded {recordedAt}");

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    private static decimal Money(JsonElement amount) => decimal.Parse(amount.GetString()!, CultureInfo.InvariantCulture);
}

/// <summary>Reads ClickHouse's orders_analytics by order, some thousand orders at a time, up to a plan: what later plans add is not seen.</summary>
internal sealed class FactsReader(ClickHouseClient clickHouse)
{
    private const int OrdersAtOnce = 5000;

    private const string Rows =
        """
        SELECT order_id, sequence, customer_id, currency, toString(ordered_at), orders, toString(amount), products.id, arrayMap(n -> toString(n), products.quantity), arrayMap(n -> toString(n), products.amount),
               old_status, new_status, toString(recorded_at)
        FROM orders_analytics WHERE plan <= {plan:UInt64} AND order_id > {after:String} AND order_id <= {last:String} ORDER BY order_id, sequence FORMAT JSONCompactEachRow
        """;

    private const string LastOrder =
        "SELECT count(), max(order_id) FROM (SELECT DISTINCT order_id FROM orders_analytics WHERE order_id > {after:String} ORDER BY order_id LIMIT {limit:UInt64}) FORMAT JSONCompactEachRow";

    /// <summary>Every fact, by order and sequence; one that is there twice comes twice.</summary>
    public async IAsyncEnumerable<FactLine> ReadAsync(long plan, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var after = "";
        while (await LastOfNextAsync(after, cancellation) is { } last)
        {
            var parameters = new Dictionary<string, string> { ["plan"] = $"{plan}", ["after"] = Escaped(after), ["last"] = Escaped(last) };
            foreach (var row in (await clickHouse.QueryAsync(Rows, parameters, cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                yield return FactLine.Of(JsonElement.Parse(row));
            }
            after = last;
        }
    }

    private async Task<string?> LastOfNextAsync(string after, CancellationToken cancellation)
    {
        var parameters = new Dictionary<string, string> { ["after"] = Escaped(after), ["limit"] = $"{OrdersAtOnce}" };
        var answer = JsonElement.Parse(await clickHouse.QueryAsync(LastOrder, parameters, cancellation));
        return answer[0].ToString() == "0" ? null : answer[1].GetString();
    }

    // parameters are read as TabSeparated
    internal static string Escaped(string text) =>
        text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\t", @"\t", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
}
