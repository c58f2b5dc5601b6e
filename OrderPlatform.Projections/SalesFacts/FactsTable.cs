using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>ClickHouse's orders_analytics and what is summed from it (migrations clickhouse/0001).</summary>
internal sealed class FactsTable(ClickHouseClient clickHouse)
{
    private static readonly string[] Tables = ["orders_analytics", "sales_hourly", "sales_daily", "sales_by_product", "orders_by_status"];

    // the ids of a batch are in the statement's text: 50,000 of them need 2 MB, where ClickHouse takes 256 KB otherwise
    private static readonly Dictionary<string, string> LongStatement = new() { ["max_query_size"] = "16777216" };

    private string Database => clickHouse.Connection.Database;

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
        return clickHouse.InsertAsync(FactRows.Insert, rows, settings, cancellation);
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
        // a parameter travels in the URL, where ClickHouse takes 128 KB a value (http_max_field_value_size); and it reads one long text in a fifth of the time that a list of as many literals takes
        var ids = Quoted(JsonSerializer.Serialize(orders.Distinct(), PlatformJson.Options));
        var sql = $"SELECT max(sequence), order_id FROM orders_analytics WHERE order_id IN (SELECT arrayJoin(JSONExtract({ids}, 'Array(String)'))) GROUP BY order_id FORMAT JSONCompactEachRow";
        var last = new Dictionary<string, int>();
        foreach (var row in (await clickHouse.QueryAsync(sql, parameters: null, LongStatement, cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var fields = JsonDocument.Parse(row);
            last[fields.RootElement[1].GetString()!] = fields.RootElement[0].GetInt32();
        }
        return last;
    }

    /// <summary>Makes an empty database of the same tables and views.</summary>
    public async Task CopyToAsync(string database, CancellationToken cancellation)
    {
        await clickHouse.QueryAsync($"CREATE DATABASE IF NOT EXISTS {database}", parameters: null, cancellation);
        foreach (var table in Tables)
        {
            await clickHouse.QueryAsync($"CREATE TABLE IF NOT EXISTS {database}.{table} AS {Database}.{table}", parameters: null, cancellation);
        }
        var views = await clickHouse.QueryAsync(
            "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND engine = 'MaterializedView' FORMAT JSONCompactEachRow",
            new Dictionary<string, string> { ["database"] = Database }, cancellation);
        foreach (var view in views.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => JsonElement.Parse(row)[0].GetString()!))
        {
            var own = Regex.Replace(view, $@"(?<=[ (]){Regex.Escape(Database)}\.", database + ".").Replace("CREATE MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW IF NOT EXISTS", StringComparison.Ordinal);
            await clickHouse.QueryAsync(own, parameters: null, cancellation);
        }
    }

    /// <summary>
    /// Replaces every fact and every sum by those of another database: each table at one moment, without being empty in between
    /// (https://clickhouse.com/docs/sql-reference/statements/alter/partition#replace-partition). Doing it again changes nothing.
    /// </summary>
    public async Task ReplaceByAsync(string database, CancellationToken cancellation)
    {
        foreach (var table in Tables)
        {
            await clickHouse.QueryAsync($"ALTER TABLE {table} REPLACE PARTITION tuple() FROM {database}.{table}", parameters: null, cancellation);
        }
    }

    /// <summary>Removes a copy.</summary>
    public Task DropCopyAsync(string database, CancellationToken cancellation) => clickHouse.QueryAsync($"DROP DATABASE IF EXISTS {database} SYNC", parameters: null, cancellation);

    /// <summary>Number, money and hash of the facts up to a plan: what later plans have added does not count.</summary>
    public async Task<(long Count, decimal Amount, string Hash)> SummarizeAsync(long plan, CancellationToken cancellation)
    {
        const string Summary =
            """
            SELECT count(), toDecimalString(sum(amount), 2), sum(cityHash64(order_id, sequence, customer_id, currency, ordered_at, orders, amount, products.id, products.quantity, products.amount, old_status, new_status, recorded_at))
            FROM orders_analytics WHERE plan <= {plan:UInt64}
            """;
        var answer = await clickHouse.QueryAsync(Summary, new Dictionary<string, string> { ["plan"] = plan.ToString(CultureInfo.InvariantCulture) }, cancellation);
        var fields = answer.Trim().Split('\t');
        return (long.Parse(fields[0], CultureInfo.InvariantCulture), decimal.Parse(fields[1], CultureInfo.InvariantCulture), fields[2]);
    }

    /// <summary>A hash of every sum, merged or not.</summary>
    public async Task<string> HashOfSumsAsync(CancellationToken cancellation)
    {
        const string Sums =
            """
            SELECT sum(hash) FROM (
                SELECT cityHash64('hour', currency, period, sum(orders), sum(revenue), sum(facts)) AS hash FROM sales_hourly GROUP BY currency, period
                UNION ALL SELECT cityHash64('day', currency, period, sum(orders), sum(revenue), sum(facts)) FROM sales_daily GROUP BY currency, period
                UNION ALL SELECT cityHash64('product', currency, period, product_id, sum(quantity), sum(revenue), sum(facts)) FROM sales_by_product GROUP BY currency, period, product_id
                UNION ALL SELECT cityHash64('status', status, sum(orders), sum(facts)) FROM orders_by_status GROUP BY status)
            """;
        return (await clickHouse.QueryAsync(Sums, parameters: null, cancellation)).Trim();
    }

    /// <summary>Removes every fact and every sum.</summary>
    public async Task TruncateAsync(CancellationToken cancellation)
    {
        foreach (var table in Tables)
        {
            await clickHouse.QueryAsync($"TRUNCATE TABLE {table}", parameters: null, cancellation);
        }
    }

    private static string Quoted(string text) => $"'{text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal)}'";

    private static long Number(string text) => long.Parse(text, NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
}
