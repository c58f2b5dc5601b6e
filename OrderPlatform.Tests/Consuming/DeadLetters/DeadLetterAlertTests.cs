using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Engines;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Tests.Consuming.DeadLetters;

/// <summary>Whoever runs the platform is told of dead letters, once for each crossing of the threshold.</summary>
public sealed class DeadLetterAlertTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_alert_is_posted_once_for_each_crossing_even_when_the_webhook_was_away_and_monitors_are_several()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var webhook = new Webhook(refusals: 2);
        using var first = Monitor(database, webhook.Address);
        using var second = Monitor(database, webhook.Address);
        await ParkAsync(database, 1);
        await first.StartAsync(Cancellation);
        await second.StartAsync(Cancellation);
        await ParkAsync(database, 2);

        await webhook.TakenAsync(1);
        var alert = webhook.Alerts.Single();
        ((int)alert["openLetters"]!).ShouldBe(2);
        alert["consumers"]!.ToJsonString().ShouldBe("""[{"name":"order-view","openLetters":2,"parkedKeys":1}]""");
        DateTimeOffset.Parse((string)alert["oldest"]!).ShouldBeLessThanOrEqualTo(DateTimeOffset.Parse((string)alert["at"]!));
        // both have looked again and again since
        foreach (var letters in (int[])[3, 4])
        {
            await ParkAsync(database, letters);
            await Eventually.TrueAsync(() => Gauge().Count(measured => measured == ("order-view", letters)) == 2, TimeSpan.FromSeconds(10), () => string.Join(' ', Gauge()), Cancellation);
        }
        webhook.Alerts.Count.ShouldBe(1);

        // below, and above again
        await database.ExecuteAsync("UPDATE dead_letter SET state = 'discarded' WHERE record_offset > 1", Cancellation);
        await EventuallyAsync(database, "SELECT delivered_at IS NULL FROM dead_letter_alert");
        await ParkAsync(database, 5);

        await webhook.TakenAsync(2);
        webhook.Alerts.Count.ShouldBe(2);
        await first.StopAsync(Cancellation);
        await second.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Health_is_degraded_while_a_key_is_parked()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var check = new DeadLetterHealthCheck(database.Source);
        (await check.CheckHealthAsync(new HealthCheckContext(), Cancellation)).Status.ShouldBe(HealthStatus.Healthy);

        await ParkAsync(database, 1);
        await ParkAsync(database, 2);

        var health = await check.CheckHealthAsync(new HealthCheckContext(), Cancellation);
        (health.Status, health.Description).ShouldBe((HealthStatus.Degraded, "order-view: 1 keys parked with 2 dead letters (GET /operations/dead-letters)"));
    }

    private static DeadLetterMonitor Monitor(OrdersDatabase database, string webhook) => new(database.Source, new DeadLetterAlert(
        database.Source, new Clients(), Options.Create(new DeadLetterOptions { Webhook = webhook, AlertThreshold = 2 }), TimeProvider.System, NullLogger<DeadLetterAlert>.Instance));

    private static Task ParkAsync(OrdersDatabase database, int offset) => database.ExecuteAsync(
        $"""
        INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, header_names, header_values, published_at, state, error, attempts)
        VALUES ('order-view', 'order.events', 0, {offset}, 'k', '{"{}"}', '{"{}"}', now(), 'failed', 'poison', 1)
        """, Cancellation);

    private static async Task EventuallyAsync(OrdersDatabase database, string sql)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (true)
        {
            await using var command = database.Source.CreateCommand(sql);
            if (await command.ExecuteScalarAsync(Cancellation) is true)
            {
                return;
            }
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(TimeSpan.FromSeconds(10), sql);
            await Task.Delay(20, Cancellation);
        }
    }

    private static List<(string Consumer, long Letters)> Gauge()
    {
        var measured = new List<(string, long)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, of) =>
        {
            if (instrument.Meter == Telemetry.Meter && instrument.Name == "orderplatform.dead_letters")
            {
                of.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, letters, tags, _) => measured.Add(((string)tags[0].Value!, letters)));
        listener.Start();
        listener.RecordObservableInstruments();
        return measured;
    }

    private sealed class Clients : IHttpClientFactory
    {
        public HttpClient CreateClient(string name) => new(new SocketsHttpHandler());
    }

    /// <summary>Refuses the first posts, then takes them.</summary>
    private sealed class Webhook : IAsyncDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly Task _serving;

        public Webhook(int refusals)
        {
            Address = $"http://127.0.0.1:{LoopbackPort.Free()}/";
            _listener.Prefixes.Add(Address);
            _listener.Start();
            _serving = Task.Run(() => ServeAsync(refusals));
        }

        public string Address { get; }

        public ConcurrentQueue<JsonNode> Alerts { get; } = [];

        public Task TakenAsync(int alerts) => Eventually.TrueAsync(() => Alerts.Count >= alerts, TimeSpan.FromSeconds(15), () => $"{Alerts.Count} alerts", Cancellation);

        public async ValueTask DisposeAsync()
        {
            _listener.Close();
            await _serving;
        }

        private async Task ServeAsync(int refusals)
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var reader = new StreamReader(context.Request.InputStream);
                    var alert = JsonNode.Parse(await reader.ReadToEndAsync())!;
                    context.Response.StatusCode = refusals-- > 0 ? 503 : 204;
                    if (context.Response.StatusCode == 204)
                    {
                        Alerts.Enqueue(alert);
                    }
                    context.Response.Close();
                }
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // closed
            }
        }
    }
}
