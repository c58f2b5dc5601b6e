using Npgsql;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.ServiceLevels;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// Compares orders and cents, by currency, of PostgreSQL with those of the order view and of Redis. It does so at quiet moments
/// only: when no order was changed for longer than a derived store may lag, so that there is nothing left to wait for. Under
/// unbroken load it measures nothing, and says nothing.
/// </summary>
internal sealed partial class ConsistencyCheck(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views,
    IConnectionMultiplexer redis, ServiceLevelRecorder levels, TimeProvider clock, ILogger<ConsistencyCheck> log) : BackgroundService
{
    // the objective of freshness: what lags longer is wrong, and not late
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private Totals? _before;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await CheckAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or RedisException or TimeoutException)
            {
                // a store that is away is seen in its health; what could not be compared is not counted
                LogPassedOver(log, e.Message);
            }
        }
    }

    private async Task CheckAsync(CancellationToken cancellation)
    {
        var before = _before;
        var source = _before = await FromOrdersAsync(orders, "orders", cancellation);
        if (before is null || !source.Equals(before) || source.Currencies.Count == 0)
        {
            return;
        }
        (string Store, Totals Derived)[] compared = [("order-view", await FromOrdersAsync(views, "order_view", cancellation)), ("redis", await FromRedisAsync(cancellation))];
        _before = await FromOrdersAsync(orders, "orders", cancellation);
        if (!source.Equals(_before))
        {
            return; // somebody was at it meanwhile
        }
        foreach (var (store, derived) in compared)
        {
            var equal = derived.Agrees(source);
            levels.Came(Indicator.ConsistencyPassRate, equal);
            levels.Came(Indicator.AuditViolations, equal);
            if (!equal)
            {
                LogDifferent(log, store, derived.ToString(), source.ToString());
            }
        }
    }

    private static async Task<Totals> FromOrdersAsync(NpgsqlDataSource source, string table, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            $"""
            SELECT currency, count(*) FILTER (WHERE status <> 'Cancelled'), coalesce(sum(total_amount) FILTER (WHERE status <> 'Cancelled'), 0) * 100, sum(version)::bigint
            FROM {table} GROUP BY currency
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var currencies = new Dictionary<string, (long Orders, decimal Cents)>();
        var events = 0L;
        while (await reader.ReadAsync(cancellation))
        {
            currencies[reader.GetString(0)] = (reader.GetInt64(1), reader.GetDecimal(2));
            events += reader.GetInt64(3);
        }
        return new Totals(currencies, events);
    }

    private async Task<Totals> FromRedisAsync(CancellationToken cancellation)
    {
        var database = redis.GetDatabase();
        var generation = (string?)await database.HashGetAsync(RankingKeys.State, RankingKeys.Generation).WaitAsync(Interval, cancellation);
        var key = RankingKeys.Ranking(generation ?? "", RankingKeys.Totals, RankingKeys.All);
        var cents = await database.SortedSetRangeByRankWithScoresAsync(key).WaitAsync(Interval, cancellation);
        var counts = (await database.HashGetAllAsync(key + RankingKeys.Orders).WaitAsync(Interval, cancellation)).ToDictionary(count => (string)count.Name!, count => (long)count.Value);
        return new Totals(cents.ToDictionary(entry => (string)entry.Element!, entry => (counts.GetValueOrDefault((string)entry.Element!), -(decimal)entry.Score)), Events: null);
    }

    [LoggerMessage(10, LogLevel.Error, "{Store} differs from the orders: it has {Derived}, they have {Source}")]
    private static partial void LogDifferent(ILogger logger, string store, string derived, string source);

    [LoggerMessage(11, LogLevel.Debug, "The consistency check was passed over: {Reason}")]
    private static partial void LogPassedOver(ILogger logger, string reason);

    /// <summary>Orders that count, and their cents, by currency.</summary>
    /// <param name="Events">Sum of all versions, which every change moves; null for a store that does not say.</param>
    private sealed record Totals(IReadOnlyDictionary<string, (long Orders, decimal Cents)> Currencies, long? Events)
    {
        public bool Equals(Totals? other) => other is not null && Events == other.Events && Agrees(other);

        public override int GetHashCode() => Events.GetHashCode();

        public bool Agrees(Totals source) =>
            (Events is null || Events == source.Events)
            && Currencies.Keys.Union(source.Currencies.Keys).All(currency => Currencies.GetValueOrDefault(currency) == source.Currencies.GetValueOrDefault(currency));

        public override string ToString() => string.Join(", ", Currencies.OrderBy(currency => currency.Key).Select(currency => $"{currency.Value.Orders} orders of {currency.Value.Cents / 100:F2} {currency.Key}"));
    }
}
