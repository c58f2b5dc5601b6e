using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.Contracts;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Tests.Projections.Rebuilding;

/// <summary>A platform whose Kafka has dropped the beginning of its topics.</summary>
public sealed class RebuildFromEventLogTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_Kafka_keeps_no_more_is_read_from_the_event_log()
    {
        await using var platform = new RebuildingPlatform();
        await CreateShortTopicsAsync(Path.Combine(platform.DataFolder, "kafka"));
        await platform.InitializeAsync();
        for (var round = 0; !await HasDroppedAsync((string)platform.Run["kafka"]!); round++)
        {
            round.ShouldBeLessThan(30, "Kafka keeps everything");
            // no more at once than Kafka keeps: the live projections miss nothing
            await platform.PlaceAsync(round, orders: 40, cancels: true, Cancellation);
            await platform.AgreeAsync();
        }
        await platform.ViewsAsync("DELETE FROM order_view WHERE ctid IN (SELECT ctid FROM order_view LIMIT 50)");

        foreach (var projection in RebuildableProjections.All)
        {
            var rebuild = await platform.RebuildAsync(projection);

            ((string)rebuild["state"]!).ShouldBe("done", rebuild.ToString());
            ((string)rebuild["source"]!).ShouldBe("event-log");
            ((bool)rebuild["comparison"]!["equal"]!).ShouldBe(projection != RebuildableProjections.OrderView, rebuild.ToString());
        }
        await platform.PlaceAsync(99, orders: 20, cancels: true, Cancellation);
        await platform.AgreeAsync();
        platform.Output.ShouldNotContain("events in between are missing");
    }

    private static async Task<bool> HasDroppedAsync(string kafka)
    {
        using var admin = KafkaClients.Admin(kafka);
        var topics = await Task.WhenAll(TopicReader.BordersAsync(admin, Topics.OrderEvents), TopicReader.BordersAsync(admin, Topics.OrdersAnalytics));
        return topics.All(borders => borders.Values.Any(partition => partition.Low > 0));
    }

    private async Task CreateShortTopicsAsync(string folder)
    {
        await engines.KafkaClientAsync(Cancellation);
        await using var kafka = await RunningEngine.StartAsync(new KafkaEngine(), folder, port: 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
        using var admin = KafkaClients.Admin(kafka.Address);
        await admin.CreateTopicsAsync(((string[])[Topics.OrderEvents, Topics.OrdersAnalytics]).Select(topic => new TopicSpecification
        {
            Name = topic,
            NumPartitions = Topics.Partitions,
            ReplicationFactor = 1,
            Configs = new() { ["segment.bytes"] = "1024", ["retention.bytes"] = "16000" },
        }));
    }
}
