using System.Buffers;
using System.Globalization;
using System.Text.Json;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>ClickHouse's orders_analytics and what is summed from it (migrations clickhouse/0001).</summary>
internal sealed class FactsTable(ClickHouseClient clickHouse)
{
    private static readonly string[] Targets = ["sales_hourly", "sales_daily", "sales_by_product", "orders_by_status"];

    // ids asked for at once: they travel in the URL, where ClickHouse takes 128 KB a value (http_max_field_value_size)
    private const int MaxIds = 1000;

    /// <summary>
    /// Inserts facts as one block, which ClickHouse drops, in the table and in each target by itself, when it has taken the
    /// token before: https://clickhouse.com/docs/guides/developing/deduplicating-inserts-on-retries.
    /// </summary>
    /// <param name="rows">What <see cref="Rows"/> has made of them.</param>
    public Task InsertAsync(string token, ReadOnlyMemory<byte> rows, CancellationToken cancellation)
    {
        var settings = new Dictionary<string, string>
        {
            ["insert_deduplication_token"] = token,
            ["deduplicate_blocks_in_dependent_materialized_views"] = "1",
            // the same data must make the same blocks each time: nothing waits for others, nothing is parsed or inserted in parallel
            ["async_insert"] = "0",
            ["input_format_parallel_parsing"] = "0",
            ["max_threads"] = "1",
            ["max_insert_threads"] = "1",
        };
        return clickHouse.InsertAsync("INSERT INTO orders_analytics FORMAT JSONEachRow", rows, settings, cancellation);
    }

    /// <summary>Facts that are there.</summary>
    public async Task<long> CountAsync(CancellationToken cancellation) => Number(await clickHouse.QueryAsync("SELECT count() FROM orders_analytics", parameters: null, cancellation));

    /// <summary>Whether so many facts are there, and in every target.</summary>
    public async Task<bool> IsWholeAsync(long facts, CancellationToken cancellation)
    {
        const string Wholeness =
            """
            SELECT total = {facts:UInt64}
               AND total = (SELECT sum(facts) FROM sales_hourly) AND total = (SELECT sum(facts) FROM sales_daily)
               AND lines = (SELECT sum(facts) FROM sales_by_product) AND steps = (SELECT sum(facts) FROM orders_by_status)
            FROM (SELECT count() AS total, sum(length(products.id)) AS lines, countIf(old_status != '') + count() AS steps FROM orders_analytics)
            """;
        return Number(await clickHouse.QueryAsync(Wholeness, new Dictionary<string, string> { ["facts"] = facts.ToString(CultureInfo.InvariantCulture) }, cancellation)) == 1;
    }

    /// <summary>The last sequence of each of the orders that has facts.</summary>
    public async Task<Dictionary<string, int>> LastSequencesAsync(IEnumerable<string> orders, CancellationToken cancellation)
    {
        var last = new Dictionary<string, int>();
        foreach (var ids in orders.Distinct().Chunk(MaxIds))
        {
            var parameters = new Dictionary<string, string> { ["ids"] = $"[{string.Join(',', ids.Select(Quoted))}]" };
            var rows = await clickHouse.QueryAsync("SELECT max(sequence), order_id FROM orders_analytics WHERE order_id IN {ids:Array(String)} GROUP BY order_id FORMAT JSONCompactEachRow", parameters, cancellation);
            foreach (var row in rows.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                using var fields = JsonDocument.Parse(row);
                last[fields.RootElement[1].GetString()!] = fields.RootElement[0].GetInt32();
            }
        }
        return last;
    }

    /// <summary>Removes every fact and every sum.</summary>
    public async Task TruncateAsync(CancellationToken cancellation)
    {
        foreach (var table in Targets.Prepend("orders_analytics"))
        {
            await clickHouse.QueryAsync($"TRUNCATE TABLE {table}", parameters: null, cancellation);
        }
    }

    /// <summary>Facts as rows of the table.</summary>
    /// <exception cref="PoisonRecordException">A record is no fact.</exception>
    public static ReadOnlyMemory<byte> Rows(long plan, IReadOnlyList<Record> records)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        foreach (var record in records)
        {
            WriteRow(json, plan, record, record.Read<SalesFact>());
            json.Flush();
            json.Reset();
            buffer.Write("\n"u8);
        }
        return buffer.WrittenMemory;
    }

    // a string in an array, as TabSeparated has it
    private static string Quoted(string text) =>
        $"'{text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal).Replace("\t", @"\t", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal)}'";

    private static long Number(string text) => long.Parse(text, NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);

    private static void WriteRow(Utf8JsonWriter json, long plan, Record record, SalesFact fact)
    {
        json.WriteStartObject();
        json.WriteString("order_id", record.Key);
        json.WriteNumber("sequence", record.Sequence);
        json.WriteString("customer_id", fact.CustomerId);
        json.WriteString("currency", fact.Currency);
        json.WriteString("ordered_at", Time(fact.OrderedAt));
        json.WriteNumber("orders", fact.Orders);
        json.WriteNumber("amount", fact.Amount);
        WriteColumn(json, "products.id", fact.Products, product => json.WriteStringValue(product.ProductId));
        WriteColumn(json, "products.quantity", fact.Products, product => json.WriteNumberValue(product.Quantity));
        WriteColumn(json, "products.amount", fact.Products, product => json.WriteNumberValue(product.Amount));
        json.WriteString("old_status", fact.OldStatus?.ToString() ?? "");
        json.WriteString("new_status", fact.NewStatus.ToString());
        json.WriteString("recorded_at", Time(record.RecordedAt));
        json.WriteNumber("plan", plan);
        json.WriteEndObject();
    }

    private static void WriteColumn(Utf8JsonWriter json, string name, IReadOnlyList<ProductDifference> products, Action<ProductDifference> write)
    {
        json.WriteStartArray(name);
        foreach (var product in products)
        {
            write(product);
        }
        json.WriteEndArray();
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
}
