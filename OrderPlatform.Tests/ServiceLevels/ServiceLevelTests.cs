using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Tests.ServiceLevels;

public sealed class ServiceLevelTests(ServiceLevelDatabase database) : IClassFixture<ServiceLevelDatabase>, IAsyncLifetime
{
    private readonly Clock _clock = new();
    private readonly IOptions<ServiceLevelOptions> _options = Options.Create(new ServiceLevelOptions { Window = TimeSpan.FromHours(2), FlushInterval = TimeSpan.FromMilliseconds(100) });
    private readonly NpgsqlDataSource _views = database.Views;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _views.CreateCommand("TRUNCATE service_level").ExecuteNonQueryAsync(Cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Nothing_measured_is_no_value_and_neither_met_nor_missed()
    {
        var report = await ReadAsync();

        report.Window.ShouldBe("0.02:00:00");
        report.Indicators.Select(indicator => (indicator.Name, indicator.Store, indicator.Objective)).ShouldBe(
        [
            ("cdc.lag_ms.p95", null, 5000), ("derived.freshness_ms.p95", "redis", 10000), ("derived.freshness_ms.p95", "clickhouse", 10000), ("derived.freshness_ms.p95", "order-view", 10000),
            ("idempotency.dedup_rate", null, 1), ("audit.violation_count", null, 0), ("e2e.consistency_check.pass_rate", null, 0.9999),
        ]);
        report.Indicators.ShouldAllBe(indicator => indicator.Value == null && indicator.Met == null);
    }

    [Fact]
    public async Task Values_are_of_all_recorders_and_survive_them()
    {
        await RecordAsync(levels =>
        {
            for (var ms = 1; ms <= 1000; ms++)
            {
                levels.Took(Indicator.CdcLag, TimeSpan.FromMilliseconds(ms));
            }
            levels.Came(Indicator.DedupRate, good: true, times: 2);
            levels.Came(Indicator.AuditViolations, good: true);
        });
        await RecordAsync(levels =>
        {
            for (var ms = 1; ms <= 1000; ms++)
            {
                levels.Took(Indicator.CdcLag, TimeSpan.FromMilliseconds(10 * ms));
            }
            levels.Came(Indicator.DedupRate, good: false);
        });

        // of 1..1000 and 10..10000 in steps of ten, 95 % are at most 9000
        var report = await ReadAsync();
        Of(report, "cdc.lag_ms.p95").Value!.Value.ShouldBe(9000, 9000 * LatencyBuckets.RelativeError);
        Of(report, "cdc.lag_ms.p95").Met.ShouldBe(false);
        Of(report, "idempotency.dedup_rate").Value!.Value.ShouldBe(2.0 / 3, 1e-9);
        Of(report, "idempotency.dedup_rate").Met.ShouldBe(false);
        Of(report, "audit.violation_count").ShouldBe(new IndicatorAnswer("audit.violation_count", null, 0, 0, true));
    }

    [Fact]
    public async Task What_is_older_than_the_window_counts_no_more_and_is_deleted()
    {
        await RecordAsync(levels => levels.Came(Indicator.AuditViolations, good: false));
        Of(await ReadAsync(), "audit.violation_count").Met.ShouldBe(false);

        _clock.Ahead = TimeSpan.FromHours(3);

        Of(await ReadAsync(), "audit.violation_count").Value.ShouldBeNull();
        using var recorder = Recorder();
        await recorder.StartAsync(Cancellation);
        await Eventually.TrueAsync(() => _views.CreateCommand("SELECT count(*) FROM service_level").ExecuteScalar() is 0L, TimeSpan.FromSeconds(5), () => "the old minute is still there", Cancellation);
        await recorder.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Counts_wait_while_the_database_is_away()
    {
        using var recorder = Recorder();
        await recorder.StartAsync(Cancellation);
        await _views.CreateCommand("ALTER TABLE service_level RENAME TO away").ExecuteNonQueryAsync(Cancellation);
        recorder.Came(Indicator.DedupRate, good: true);
        await _views.CreateCommand("SELECT pg_sleep(0.3)").ExecuteNonQueryAsync(Cancellation);
        await _views.CreateCommand("ALTER TABLE away RENAME TO service_level").ExecuteNonQueryAsync(Cancellation);

        await recorder.StopAsync(Cancellation);

        Of(await ReadAsync(), "idempotency.dedup_rate").Value.ShouldBe(1);
    }

    private async Task RecordAsync(Action<ServiceLevelRecorder> record)
    {
        using var recorder = Recorder();
        await recorder.StartAsync(Cancellation);
        record(recorder);
        await recorder.StopAsync(Cancellation);
    }

    private ServiceLevelRecorder Recorder() => new(_views, _options, _clock, NullLogger<ServiceLevelRecorder>.Instance);

    private Task<ServiceLevelAnswer> ReadAsync() => new ServiceLevelReport(_views, _options, _clock).ReadAsync(Cancellation);

    private static IndicatorAnswer Of(ServiceLevelAnswer report, string name) => report.Indicators.Single(indicator => indicator.Name == name);

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
    }
}
