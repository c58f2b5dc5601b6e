using System.Globalization;
using Npgsql;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Chaos;

/// <summary>Reads every store of the platform as it is, past the faulty network.</summary>
internal sealed class Stores(RunningHost host, KafkaWatch kafka) : IAsyncDisposable
{
    private const string Currency = "USD";
    private const int RedisBatch = 2000;

    private readonly NpgsqlDataSource _orders = NpgsqlDataSource.Create(host.Postgres!);
    private readonly NpgsqlDataSource _views = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(host.Postgres!) { Database = "views" }.ConnectionString);
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });

    /// <summary>Redis.</summary>
    public RedisReader Redis { get; } = new(host.Redis);

    /// <summary>Kafka.</summary>
    public KafkaWatch Kafka => kafka;

    /// <summary>The source: the orders themselves.</summary>
    public Task<IReadOnlyCollection<StoredOrder>> SourceAsync(CancellationToken cancellation) => OrdersAsync(_orders, "id", "orders", cancellation);

    /// <summary>The order view.</summary>
    public Task<IReadOnlyCollection<StoredOrder>> OrderViewAsync(CancellationToken cancellation) => OrdersAsync(_views, "order_id", "order_view", cancellation);

    /// <summary>Redis' status entries of these orders.</summary>
    public async Task<IReadOnlyCollection<StoredOrder>> StatusesAsync(IEnumerable<string> orders)
    {
        var rows = new List<StoredOrder>();
        foreach (var some in orders.Chunk(RedisBatch))
        {
            rows.AddRange(some.Zip(await Redis.StatusesAsync(some)).Where(entry => entry.Second is not null)
                .Select(entry => new StoredOrder(entry.First, entry.Second!.Sequence, entry.Second.Status.ToString(), Amount: null, entry.Second.Sequence)));
        }
        return rows;
    }

    /// <summary>ClickHouse's facts.</summary>
    public async Task<IReadOnlyCollection<StoredOrder>> FactsAsync(CancellationToken cancellation) =>
        [.. (await ClickHouseAsync("SELECT order_id, max(sequence), argMax(new_status, sequence), toDecimalString(sum(amount), 2), count() FROM orders_analytics GROUP BY order_id", cancellation))
            .Select(row => new StoredOrder(row[0], int.Parse(row[1], CultureInfo.InvariantCulture), row[2], decimal.Parse(row[3], CultureInfo.InvariantCulture), long.Parse(row[4], CultureInfo.InvariantCulture)))];

    /// <summary>Sums of the stores that keep some, in one currency, each with the source's.</summary>
    public async Task<IReadOnlyList<(string Of, (long Orders, decimal Money) Source, (long Orders, decimal Money) Derived)>> SumsAsync(CancellationToken cancellation)
    {
        var source = (await RowsAsync(_orders, $"SELECT count(*)::text, coalesce(sum(total_amount), 0)::text FROM orders WHERE status <> 'Cancelled' AND currency = '{Currency}'", cancellation)).Select(Sum).Single();
        var all = (await RowsAsync(_orders, "SELECT count(*)::text, '0' FROM orders", cancellation)).Select(Sum).Single();
        return
        [
            ("ClickHouse sales_daily", source, await ClickHouseSumAsync($"SELECT sum(orders), toDecimalString(sum(revenue), 2) FROM sales_daily WHERE currency = '{Currency}'", cancellation)),
            ("ClickHouse sales_hourly", source, await ClickHouseSumAsync($"SELECT sum(orders), toDecimalString(sum(revenue), 2) FROM sales_hourly WHERE currency = '{Currency}'", cancellation)),
            ("ClickHouse orders_by_status", all, await ClickHouseSumAsync("SELECT sum(orders), '0' FROM orders_by_status", cancellation)),
            ("Redis totals", source, await Redis.TotalAsync(Currency)),
        ];
    }

    /// <summary>Every event of the run's orders, in the form of the promise that it makes.</summary>
    public async Task<IReadOnlyCollection<Promise>> LogAsync(string customerPrefix, CancellationToken cancellation) =>
        [.. (await RowsAsync(
            _orders,
            """
            SELECT key, sequence::text, happened ->> 'newStatus', happened ->> 'totalAmount'
            FROM (SELECT key, sequence, convert_from(payload, 'UTF8')::jsonb AS happened FROM event_log WHERE topic = 'order.events' OFFSET 0) AS logged
            WHERE starts_with(happened ->> 'customerId', $1)
            """,
            cancellation, customerPrefix))
            .Select(row => new Promise(row[0], int.Parse(row[1], CultureInfo.InvariantCulture), row[2], decimal.Parse(row[3], CultureInfo.InvariantCulture)))];

    /// <summary>Streams of any aggregate whose sequences have a gap or a repeat, and orders that are not at their last event.</summary>
    public async Task<IReadOnlyList<string>> BrokenStreamsAsync(CancellationToken cancellation) =>
        [.. (await RowsAsync(
            _orders,
            """
            SELECT stream FROM event_log GROUP BY stream HAVING max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)
            UNION ALL
            SELECT 'order/' || id FROM orders WHERE version <> (SELECT max(sequence) FROM event_log WHERE stream = 'order/' || id)
            """,
            cancellation)).Select(row => row[0])];

    /// <summary>Rows of one of the views that are empty once every saga is over.</summary>
    public async Task<IReadOnlyList<string>> UnsettledAsync(string view, CancellationToken cancellation) =>
        [.. (await RowsAsync(_orders, $"SELECT t::text FROM {view} AS t LIMIT 20", cancellation)).Select(row => row[0])];

    /// <summary>Whether the order view has an order.</summary>
    public async Task<bool> OrderViewHasAsync(string order, CancellationToken cancellation) => (await RowsAsync(_views, "SELECT 'yes' FROM order_view WHERE order_id = $1::uuid", cancellation, order)).Count > 0;

    /// <summary>Whether ClickHouse's facts have an order.</summary>
    public async Task<bool> FactsHaveAsync(string order, CancellationToken cancellation) => (await ClickHouseAsync($"SELECT count() FROM orders_analytics WHERE order_id = '{order}'", cancellation))[0][0] != "0";

    /// <summary>Versions of the engines that say them.</summary>
    public async Task<IReadOnlyDictionary<string, string>> VersionsAsync(CancellationToken cancellation) => new Dictionary<string, string>
    {
        ["PostgreSQL"] = (await RowsAsync(_orders, "SELECT current_setting('server_version')", cancellation))[0][0],
        ["ClickHouse"] = (await ClickHouseAsync("SELECT version()", cancellation))[0][0],
    };

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _orders.DisposeAsync();
        await _views.DisposeAsync();
        await Redis.DisposeAsync();
        _http.Dispose();
    }

    private static async Task<IReadOnlyCollection<StoredOrder>> OrdersAsync(NpgsqlDataSource source, string id, string table, CancellationToken cancellation) =>
        [.. (await RowsAsync(source, $"SELECT {id}::text, version::text, status, (CASE status WHEN 'Cancelled' THEN 0 ELSE total_amount END)::text FROM {table}", cancellation))
            .Select(row => new StoredOrder(row[0], int.Parse(row[1], CultureInfo.InvariantCulture), row[2], decimal.Parse(row[3], CultureInfo.InvariantCulture), int.Parse(row[1], CultureInfo.InvariantCulture)))];

    private static (long Orders, decimal Money) Sum(string[] row) => (long.Parse(row[0], CultureInfo.InvariantCulture), decimal.Parse(row[1], CultureInfo.InvariantCulture));

    private async Task<(long Orders, decimal Money)> ClickHouseSumAsync(string sql, CancellationToken cancellation) => Sum((await ClickHouseAsync(sql, cancellation))[0]);

    private async Task<IReadOnlyList<string[]>> ClickHouseAsync(string sql, CancellationToken cancellation)
    {
        var text = await new ClickHouseClient(_http, new ClickHouseConnection(host.ClickHouse, "default", "", "analytics")).QueryAsync(sql, parameters: null, cancellation);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))];
    }

    private static async Task<IReadOnlyList<string[]>> RowsAsync(NpgsqlDataSource source, string sql, CancellationToken cancellation, params string[] parameters)
    {
        await using var command = source.CreateCommand(sql);
        command.CommandTimeout = 120;
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = parameter });
        }
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var rows = new List<string[]>();
        while (await reader.ReadAsync(cancellation))
        {
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetString)]);
        }
        return rows;
    }
}
