using OrderPlatform.Bench;
using OrderPlatform.Bench.Chaos;
using OrderPlatform.Engines;
using OrderPlatform.Tests.AppHost;

namespace OrderPlatform.Tests.Chaos;

/// <summary>The chaos runner against a host of its own: every way it has to break things is used once, and its verdict is the test's.</summary>
public sealed class ChaosRunTests(EngineFixture engines, ITestOutputHelper output) : IDisposable
{
    private const int OrdersPerSecond = 15;
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(500);

    private readonly TemporaryFolder _data = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Dispose();

    [Fact]
    public async Task Nothing_is_lost_or_doubled_whatever_goes_wrong_and_the_report_says_so()
    {
        await engines.KafkaClientAsync(Cancellation);
        await using var host = StandaloneHost.Start(_data.Path, SagaPlatform.ShortTimes, "--api-port", $"{LoopbackPort.Free()}", "--fault-port", $"{LoopbackPort.Free()}");
        await host.UpAsync(Cancellation);
        Fault[] plan =
        [
            new Calm(), new Kill("relay"), new Cut("postgres"), BadNetwork.Lossy("postgres", Moment, 0.05), new Flush(), BadNetwork.Stalled("kafka", Moment),
            new RefuseInserts("sales_daily", Moment), new Stop("projections", Moment), BadNetwork.Slow("clickhouse", Moment, 50), new Kill("redis"),
        ];

        var run = new ChaosRun(RunningHost.At(host.RunFile), new ChaosOptions(Seed: 1, Bound, OrdersPerSecond, RecoveryObjective: Bound), Environment.GetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA")!);
        var report = await run.RunAsync(plan, Cancellation);
        report.Write(_data["results"]);

        output.WriteLine(report.Text());
        report.IsTrue.ShouldBeTrue($"{report.Text()}\n{host.Output}");
        report.Faults.Count.ShouldBe(plan.Length);
        report.Orders.ShouldBeGreaterThan(OrdersPerSecond);
        (await File.ReadAllTextAsync(Path.Combine(_data["results"], "chaos.md"), Cancellation)).ShouldContain(report.Verdict);
        File.Exists(Path.Combine(_data["results"], "chaos.json")).ShouldBeTrue();
    }
}
