using System.Diagnostics;
using System.Text;
using OrderPlatform.Engines;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.AppHost;

public sealed class TraceTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private static readonly string[] Steps = ["POST /orders", "relay publish", "order-view write", "rankings write", "analytics-transformer write", "sales-facts write", "saga-inventory write", "saga-payments write", "saga-orders write", "saga-shipping write"];

    private readonly TemporaryFolder _data = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Dispose();

    [Fact]
    public async Task One_trace_runs_from_the_request_to_every_store_and_through_the_saga()
    {
        await using var collector = await TelemetryReceiver.StartAsync(Cancellation);
        await using var host = StandaloneHost.Start(
            _data.Path,
            new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address, ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf", ["OTEL_BSP_SCHEDULE_DELAY"] = "200", ["Orders__ChangeWindow"] = "00:00:00.5" },
            "--api-port", $"{LoopbackPort.Free()}");
        var run = await host.UpAsync(Cancellation);
        using var api = new HttpClient(new SocketsHttpHandler { ActivityHeadersPropagator = null }) { BaseAddress = new Uri((string)run["api"]!) };
        api.DefaultRequestHeaders.Add("X-Api-Key", (string)run["apiKey"]!);
        var trace = ActivityTraceId.CreateRandom();

        using var request = Post("/orders", TwoCds);
        request.Headers.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        using var placed = await api.SendAsync(request, Cancellation);

        placed.IsSuccessStatusCode.ShouldBeTrue();
        await host.EventuallyAsync(() => Steps.All(step => Seen(collector, trace, step)), Bound, $"a span of each of {string.Join(", ", Steps)} in the trace", Cancellation);
    }

    // a span is "trace id, 16 bytes; span id ... name": the name comes within the next bytes of the trace's id
    private static bool Seen(TelemetryReceiver collector, ActivityTraceId trace, string step)
    {
        var id = Encoding.Latin1.GetString(Convert.FromHexString(trace.ToHexString()));
        return collector.To("/v1/traces").Any(push => push.Body.Split(id).Skip(1).Any(span => span[..Math.Min(span.Length, 120)].Contains(step, StringComparison.Ordinal)));
    }
}
