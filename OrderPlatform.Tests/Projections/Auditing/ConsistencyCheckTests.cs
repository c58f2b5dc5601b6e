using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Projections.Auditing;
using OrderPlatform.ServiceDefaults.ServiceLevels;
using OrderPlatform.Tests.Projections.Rankings;
using OrderPlatform.Tests.ServiceLevels;

namespace OrderPlatform.Tests.Projections.Auditing;

public sealed class ConsistencyCheckTests(ServiceLevelDatabase database) : IClassFixture<ServiceLevelDatabase>, IAsyncLifetime
{
    private static readonly string[] Tables = ["orders", "order_view"];

    private readonly TemporaryFolder _folder = new();
    private readonly NpgsqlDataSource _source = database.Views;
    private readonly IOptions<ServiceLevelOptions> _options = Options.Create(new ServiceLevelOptions());
    private RankingsInRedis _redis = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _redis = await RankingsInRedis.StartAsync(_folder["redis"]);
        var history = new OrderHistory(seed: 1, orders: 200, RankingsInRedis.Now);
        await _redis.WriteAllAsync(history.Records(), new Random(1));
        await ExecuteAsync("TRUNCATE service_level");
        foreach (var table in Tables)
        {
            await ExecuteAsync($"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (currency text, status text, total_amount numeric(18, 2), version int)");
            foreach (var order in history.Orders)
            {
                await ExecuteAsync(FormattableString.Invariant($"INSERT INTO {table} VALUES ('{order.Currency}', '{order.Status}', {order.TotalAmount}, {order.Version})"));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _redis.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Equal_stores_pass() => (await CheckedAsync(times: 2)).ShouldBe((1, 0));

    [Fact]
    public async Task Nothing_is_measured_while_orders_change()
    {
        await using var check = new Check(this);
        for (var i = 0; i < ConsistencyCheck.Patience + 2; i++)
        {
            await check.Consistency.CheckAsync(Cancellation);
            await ExecuteAsync("UPDATE orders SET version = version + 1");
        }

        (await check.ResultAsync()).ShouldBe((null, null));
    }

    [Theory]
    [InlineData("DELETE FROM order_view WHERE ctid = (SELECT min(ctid) FROM order_view WHERE status <> 'Cancelled')")]
    [InlineData("UPDATE order_view SET total_amount = total_amount + 0.01 WHERE ctid = (SELECT min(ctid) FROM order_view WHERE status <> 'Cancelled')")]
    [InlineData("UPDATE order_view SET version = version - 1 WHERE ctid = (SELECT min(ctid) FROM order_view)")]
    public async Task A_difference_in_one_store_counts_once_it_has_stayed(string damage)
    {
        await ExecuteAsync(damage);

        (await CheckedAsync(times: ConsistencyCheck.Patience)).ShouldBe((null, null));
        (await CheckedAsync(times: ConsistencyCheck.Patience + 1)).ShouldBe((0.5, 1));
    }

    [Fact]
    public async Task An_order_that_Redis_has_and_nobody_else_is_found()
    {
        await ExecuteAsync("DELETE FROM orders WHERE ctid = (SELECT min(ctid) FROM orders WHERE status <> 'Cancelled'); DELETE FROM order_view WHERE ctid = (SELECT min(ctid) FROM order_view WHERE status <> 'Cancelled')");

        (await CheckedAsync(times: ConsistencyCheck.Patience + 1)).ShouldBe((0.5, 1));
    }

    private async Task<(double? PassRate, double? Violations)> CheckedAsync(int times)
    {
        await using var check = new Check(this);
        for (var i = 0; i < times; i++)
        {
            await check.Consistency.CheckAsync(Cancellation);
        }
        return await check.ResultAsync();
    }

    private async Task ExecuteAsync(string sql) => await _source.CreateCommand(sql).ExecuteNonQueryAsync(Cancellation);

    private sealed class Check : IAsyncDisposable
    {
        private readonly ConsistencyCheckTests _test;
        private readonly ServiceLevelRecorder _recorder;

        public Check(ConsistencyCheckTests test)
        {
            _test = test;
            _recorder = new ServiceLevelRecorder(test._source, test._options, TimeProvider.System, NullLogger<ServiceLevelRecorder>.Instance);
            Consistency = new ConsistencyCheck(test._source, test._source, test._redis.Connection, _recorder, TimeProvider.System, NullLogger<ConsistencyCheck>.Instance);
        }

        public ConsistencyCheck Consistency { get; }

        public async Task<(double? PassRate, double? Violations)> ResultAsync()
        {
            await _recorder.StopAsync(Cancellation);
            var report = await new ServiceLevelReport(_test._source, _test._options, TimeProvider.System).ReadAsync(Cancellation);
            double? Of(Indicator indicator) => report.Indicators.Single(answer => answer.Name == indicator.Name).Value;
            return (Of(Indicator.ConsistencyPassRate), Of(Indicator.AuditViolations));
        }

        public ValueTask DisposeAsync()
        {
            _recorder.Dispose();
            Consistency.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
