using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Api;
using OrderPlatform.Tests.Relay;

namespace OrderPlatform.Tests.Fire;

/// <summary>What each store says of the orders, in one form: a line an order, hashed, with count and money.</summary>
internal sealed class Stores(JsonObject run, HttpClient api) : IAsyncDisposable
{
    private readonly NpgsqlDataSource _orders = NpgsqlDataSource.Create((string)run["postgres"]!);
    private readonly NpgsqlDataSource _views = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder((string)run["postgres"]!) { Database = "views" }.ConnectionString);
    private readonly HttpClient _clickHouse = new(new SocketsHttpHandler()) { BaseAddress = new Uri((string)run["clickhouse"]!) };

    /// <summary>PostgreSQL: id, sequence, status, and money that counts (nothing when cancelled).</summary>
    public Task<string> OrdersAsync() => RowsAsync(_orders, "SELECT concat_ws(' ', id, version, status, CASE status WHEN 'Cancelled' THEN 0.00 ELSE total_amount END) FROM orders ORDER BY id::text COLLATE \"C\"");

    /// <summary>The order view, in the same form.</summary>
    public Task<string> OrderViewAsync() => RowsAsync(_views, "SELECT concat_ws(' ', order_id, version, status, CASE status WHEN 'Cancelled' THEN 0.00 ELSE total_amount END) FROM order_view ORDER BY order_id::text COLLATE \"C\"");

    /// <summary>ClickHouse's facts, in the same form.</summary>
    public async Task<string> FactsAsync() => Summary((await ClickHouseAsync(
        "SELECT concat(order_id, ' ', toString(max(sequence)), ' ', argMax(new_status, sequence), ' ', toDecimalString(sum(amount), 2)) FROM orders_analytics GROUP BY order_id ORDER BY order_id")).Split('\n', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Kafka's records without repeats, in the same form.</summary>
    public static string Published(PublishedEvents published)
    {
        var orders = new SortedDictionary<string, (int Sequence, string Status, decimal Amount)>(StringComparer.Ordinal);
        foreach (var record in published.All)
        {
            var sequence = int.Parse(PublishedEvents.Header(record, Envelope.Sequence), CultureInfo.InvariantCulture);
            var before = orders.GetValueOrDefault(record.Message.Key);
            if (sequence > before.Sequence)
            {
                sequence.ShouldBe(before.Sequence + 1, record.Message.Key);
                var happened = JsonNode.Parse(record.Message.Value)!;
                orders[record.Message.Key] = (sequence, (string)happened["newStatus"]!, before.Amount + (decimal)happened["amountDifference"]!);
            }
        }
        return Summary(orders.Select(order => string.Create(CultureInfo.InvariantCulture, $"{order.Key} {order.Value.Sequence} {order.Value.Status} {order.Value.Amount:F2}")));
    }

    /// <summary>Revenue and orders of each customer, by PostgreSQL.</summary>
    public async Task<string> CustomersAsync() => await RowsAsync(_orders,
        "SELECT concat_ws(' ', customer_id, sum(total_amount), count(*)) FROM orders WHERE status <> 'Cancelled' GROUP BY customer_id ORDER BY customer_id COLLATE \"C\"");

    /// <summary>The same by Redis.</summary>
    public async Task<string> CustomerRankingAsync()
    {
        using var response = await api.GetAsync("/analytics/rankings/customers?window=all&limit=100", TestContext.Current.CancellationToken);
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
        {
            return "Redis is not back yet";
        }
        var ranking = await response.EnsureSuccessStatusCode().ReadObjectAsync();
        return Summary(ranking["rows"]!.AsArray()
            .Select(row => string.Create(CultureInfo.InvariantCulture, $"{(string)row!["id"]!} {(decimal)row["revenue"]!:F2} {(long)row["orders"]!}"))
            .Order(StringComparer.Ordinal));
    }

    /// <summary>ClickHouse's daily view against its own facts and PostgreSQL: orders and money.</summary>
    public async Task<string> SalesAsync() => (await ClickHouseAsync("SELECT toString(sum(orders)), toDecimalString(sum(revenue), 2) FROM sales_daily")).Trim();

    /// <summary>The same by PostgreSQL.</summary>
    public async Task<string> SourceSalesAsync()
    {
        await using var command = _orders.CreateCommand("SELECT concat_ws(E'\\t', count(*), sum(total_amount)) FROM orders WHERE status <> 'Cancelled'");
        return (string)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    /// <summary>Streams whose sequences have a gap or a repeat, or whose order is not at its last event's version.</summary>
    public async Task<long> BrokenStreamsAsync()
    {
        await using var command = _orders.CreateCommand(
            """
            SELECT count(*) FROM (SELECT stream, max(sequence) AS last, count(*) AS events, count(DISTINCT sequence) AS numbers FROM event_log WHERE topic = 'order.events' GROUP BY stream) AS streams
            FULL JOIN orders ON stream = 'order/' || id
            WHERE stream IS NULL OR id IS NULL OR last <> events OR events <> numbers OR last <> version
            """);
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    public async ValueTask DisposeAsync()
    {
        await _orders.DisposeAsync();
        await _views.DisposeAsync();
        _clickHouse.Dispose();
    }

    /// <summary>Count and hash of lines, with the first of them for a reader of a failed test.</summary>
    public static string Summary(IEnumerable<string> lines)
    {
        var all = lines.ToList();
        return $"{all.Count} lines, {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', all))))[..16]}, first {all.FirstOrDefault()}";
    }

    private async Task<string> ClickHouseAsync(string sql)
    {
        using var response = await _clickHouse.PostAsync(new Uri("/?database=analytics", UriKind.Relative), new StringContent(sql), TestContext.Current.CancellationToken);
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<string> RowsAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var rows = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            rows.Add(reader.GetString(0));
        }
        return Summary(rows);
    }
}
