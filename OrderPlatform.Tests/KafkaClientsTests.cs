using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Tests;

public sealed class KafkaClientsTests(EngineFixture engines)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(5); // a session takes 10 to run out

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_consumer_that_is_back_under_its_name_takes_the_place_of_its_former_self_at_once()
    {
        await engines.KafkaClientAsync(Cancellation);
        var kafka = (await engines.KafkaAsync()).Address;
        const string Topic = "back-at-once";
        using var admin = KafkaClients.Admin(kafka);
        await admin.CreateTopicsAsync([new TopicSpecification { Name = Topic, NumPartitions = 3, ReplicationFactor = 1 }]);
        using var former = Member(kafka, Topic, out var taken);
        Poll(former, taken, 3);

        using var back = Member(kafka, Topic, out var takenAgain);

        Poll(back, takenAgain, 3);
    }

    private static IConsumer<byte[], byte[]> Member(string kafka, string topic, out HashSet<TopicPartition> taken)
    {
        HashSet<TopicPartition> partitions = [];
        var consumer = KafkaClients.Consumer(kafka, topic, builder => builder.SetPartitionsAssignedHandler((_, assigned) => partitions.UnionWith(assigned)), instance: "one-name");
        consumer.Subscribe(topic);
        taken = partitions;
        return consumer;
    }

    private static void Poll(IConsumer<byte[], byte[]> consumer, HashSet<TopicPartition> taken, int partitions)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (taken.Count < partitions)
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{taken.Count} partitions were taken");
            consumer.Consume(TimeSpan.FromMilliseconds(50));
        }
    }
}
