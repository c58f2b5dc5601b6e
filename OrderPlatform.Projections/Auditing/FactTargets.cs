using System.Text.Json;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Auditing;

/// <summary>A row of a target whose sum is not that of the facts.</summary>
internal sealed record TargetDifference(string Target, string Row, string Expected, string Found, bool IsMissing, bool IsSurplus);

/// <summary>What ClickHouse's views sum from the facts (migrations clickhouse/0001), said once more: a target is compared with it, and put right by it.</summary>
/// <remarks>Nothing may be written meanwhile: the caller holds the plan.</remarks>
internal sealed class FactTargets(ClickHouseClient clickHouse)
{
    private static readonly Target[] All =
    [
        new("sales_hourly", "currency, period", "orders", "revenue", "currency, toDateTime64(dateTrunc('hour', ordered_at), 0, 'UTC') AS period, orders, amount AS revenue FROM orders_analytics"),
        new("sales_daily", "currency, period", "orders", "revenue", "currency, toDateTime64(dateTrunc('day', ordered_at), 0, 'UTC') AS period, orders, amount AS revenue FROM orders_analytics"),
        new("sales_by_product", "currency, period, product_id", "quantity", "revenue",
            "currency, toDateTime64(dateTrunc('day', ordered_at), 0, 'UTC') AS period, product.1 AS product_id, product.2 AS quantity, product.3 AS revenue FROM orders_analytics ARRAY JOIN arrayZip(products.id, products.quantity, products.amount) AS product"),
        new("orders_by_status", "status", "orders", null, "step.1 AS status, step.2 AS orders FROM orders_analytics ARRAY JOIN [(toString(old_status), toInt64(-1)), (toString(new_status), toInt64(1))] AS step WHERE status != ''"),
    ];

    /// <summary>Every row of a target that differs from the facts; at most so many.</summary>
    public async Task<IReadOnlyList<TargetDifference>> CompareAsync(int limit, CancellationToken cancellation)
    {
        var differences = new List<TargetDifference>();
        foreach (var target in All)
        {
            var rows = await clickHouse.QueryAsync(target.Differences(limit), parameters: null, cancellation);
            differences.AddRange(rows.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => Read(target, JsonElement.Parse(row))));
        }
        return differences;
    }

    /// <summary>Adds to every target what it lacks of the facts' sums, or takes away: one insert a target.</summary>
    public async Task CorrectAsync(CancellationToken cancellation)
    {
        foreach (var target in All)
        {
            await clickHouse.QueryAsync(target.Correction, parameters: null, cancellation);
        }
    }

    private static TargetDifference Read(Target target, JsonElement row)
    {
        string Sum(int first) => $"{target.Count} {row[first].GetString()}{(target.Money is null ? "" : $", {target.Money} {row[first + 1].GetString()}")}, facts {row[first + 2].GetString()}";
        return new TargetDifference(target.Table, row[0].GetString()!, Sum(1), Sum(4), row[6].GetString() == "0", row[3].GetString() == "0");
    }

    /// <param name="Key">Its sorting key.</param>
    /// <param name="Count">The column that counts.</param>
    /// <param name="Money">The column of money; null without one.</param>
    /// <param name="OfFacts">The columns of a fact that are summed.</param>
    private sealed record Target(string Table, string Key, string Count, string? Money, string OfFacts)
    {
        // both sides, each in its own columns
        private string Sides
        {
            get
            {
                var money = Money ?? "toDecimal64(0, 2)";
                return $"""
                    SELECT {Key}, sum(c) AS right_count, sum(m) AS right_money, sum(f) AS right_facts, sum(tc) AS count, sum(tm) AS money, sum(tf) AS facts FROM (
                        SELECT {Key}, toInt64({Count}) AS c, {money} AS m, toInt64(1) AS f, toInt64(0) AS tc, toDecimal64(0, 2) AS tm, toInt64(0) AS tf FROM (SELECT {OfFacts})
                        UNION ALL SELECT {Key}, toInt64(0), toDecimal64(0, 2), toInt64(0), toInt64({Count}), {money}, toInt64(facts) FROM {Table})
                    GROUP BY {Key} HAVING right_count != count OR right_money != money OR right_facts != facts
                    """;
            }
        }

        public string Differences(int limit) =>
            $"SELECT concatWithSeparator(' ', {Key}), toString(right_count), toString(right_money), toString(right_facts), toString(count), toString(money), toString(facts) FROM ({Sides}) ORDER BY 1 LIMIT {limit} FORMAT JSONCompactEachRow";

        // facts is unsigned: what is too much is taken away by adding its complement, as all sums are modulo 2^64
        public string Correction =>
            $"INSERT INTO {Table} ({Key}, {Count}, {(Money is null ? "" : $"{Money}, ")}facts) SELECT {Key}, right_count - count, {(Money is null ? "" : "right_money - money, ")}reinterpretAsUInt64(right_facts - facts) FROM ({Sides})";
    }
}
