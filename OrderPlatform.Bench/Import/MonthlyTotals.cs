using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Rankings;
using Spectre.Console;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Import;

/// <summary>Orders and revenue by month, of the source and of every store, side by side.</summary>
internal static class MonthlyTotals
{
    private const string Currency = "USD";
    private const int TableWidth = 140;
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    /// <summary>Waits until the derived totals equal the source's, or the bound has passed, and prints them.</summary>
    /// <returns>Whether all are equal, to the cent.</returns>
    public static async Task<bool> CompareAsync(IReadOnlyList<SourceOrder> orders, RunningHost host, HttpClient api, CancellationToken cancellation)
    {
        var source = orders.GroupBy(order => Month(order.Date)).ToDictionary(month => month.Key, month => new Total(month.Count(), month.Sum(order => order.AmountCents)));
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var stores = new List<(string Name, IReadOnlyDictionary<string, Total> Totals)> { ("ClickHouse", await SalesAsync(api, orders, cancellation)) };
            if (host.Postgres is { } postgres)
            {
                stores.Insert(0, ("PostgreSQL", await PostgresAsync(postgres, orders, cancellation)));
                stores.Add(("Redis", await RedisAsync(host.Redis, source.Keys, cancellation)));
            }
            var equal = stores.All(store => source.All(month => store.Totals.GetValueOrDefault(month.Key) == month.Value));
            if (equal || Stopwatch.GetElapsedTime(since) > Bound)
            {
                Print(source, stores);
                AnsiConsole.WriteLine(equal ? $"All equal, {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s after the last order." : "Not equal: see the months above. If other orders stand at these dates, start on an empty data folder.");
                return equal;
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    private static async Task<IReadOnlyDictionary<string, Total>> SalesAsync(HttpClient api, IReadOnlyList<SourceOrder> orders, CancellationToken cancellation)
    {
        var from = orders.Min(order => order.Date).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        var to = orders.Max(order => order.Date).AddDays(1).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        var sales = JsonElement.Parse(await api.GetStringAsync($"/analytics/sales?grain=day&from={from}&to={to}", cancellation));
        return sales.GetProperty("rows").EnumerateArray()
            .GroupBy(row => row.GetProperty("periodStart").GetString()![..7])
            .ToDictionary(month => month.Key, month => new Total(month.Sum(row => row.GetProperty("orders").GetInt64()), month.Sum(row => (long)(row.GetProperty("revenue").GetDecimal() * 100))));
    }

    private static async Task<IReadOnlyDictionary<string, Total>> PostgresAsync(string connectionString, IReadOnlyList<SourceOrder> orders, CancellationToken cancellation)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand(
            """
            SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM'), count(*), (sum(total_amount) * 100)::bigint FROM orders
            WHERE status <> 'Cancelled' AND currency = 'USD' AND created_at >= $1 AND created_at < $2 GROUP BY 1
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = Utc(orders.Min(order => order.Date)) });
        command.Parameters.Add(new NpgsqlParameter { Value = Utc(orders.Max(order => order.Date).AddDays(1)) });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var totals = new Dictionary<string, Total>();
        while (await reader.ReadAsync(cancellation))
        {
            totals[reader.GetString(0)] = new Total(reader.GetInt64(1), reader.GetInt64(2));
        }
        return totals;
    }

    private static async Task<IReadOnlyDictionary<string, Total>> RedisAsync(string address, IEnumerable<string> months, CancellationToken cancellation)
    {
        using var redis = await ConnectionMultiplexer.ConnectAsync(address).WaitAsync(cancellation);
        var database = redis.GetDatabase();
        var generation = (string?)await database.HashGetAsync(RankingKeys.State, RankingKeys.Generation);
        var totals = new Dictionary<string, Total>();
        foreach (var month in months)
        {
            var ranking = RankingKeys.Ranking(generation ?? "", RankingKeys.Totals, month);
            totals[month] = new Total((long)await database.HashGetAsync(ranking + RankingKeys.Orders, Currency), -(long)(await database.SortedSetScoreAsync(ranking, Currency) ?? 0));
        }
        return totals;
    }

    private static void Print(Dictionary<string, Total> source, List<(string Name, IReadOnlyDictionary<string, Total> Totals)> stores)
    {
        var table = new Table().AddColumn("Month").AddColumn(new TableColumn("File").RightAligned().NoWrap()).AddColumn(new TableColumn("USD").RightAligned().NoWrap());
        foreach (var (name, _) in stores)
        {
            table.AddColumn(new TableColumn(name).RightAligned().NoWrap()).AddColumn(new TableColumn("USD").RightAligned().NoWrap());
        }
        foreach (var (month, total) in source.OrderBy(month => month.Key))
        {
            table.AddRow([month, .. Cells(total), .. stores.SelectMany(store => Cells(store.Totals.GetValueOrDefault(month)))]);
        }
        table.AddRow(["[bold]all[/]", .. Cells(Sum(source.Values)), .. stores.SelectMany(store => Cells(Sum(store.Totals.Values)))]);
        // redirected, a terminal of 80 columns is assumed, into which the table does not fit
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, TableWidth);
        AnsiConsole.Write(table);
    }

    private static string[] Cells(Total total) => [total.Orders.ToString("N0", CultureInfo.InvariantCulture), (total.Cents / 100m).ToString("N2", CultureInfo.InvariantCulture)];

    private static Total Sum(IEnumerable<Total> totals) => totals.Aggregate((one, other) => new Total(one.Orders + other.Orders, one.Cents + other.Cents));

    private static string Month(DateOnly date) => date.ToString("yyyy-MM", CultureInfo.InvariantCulture);

    private static DateTime Utc(DateOnly date) => date.ToDateTime(TimeOnly.MinValue, DateTimeKind.Utc);

    private readonly record struct Total(long Orders, long Cents);
}
