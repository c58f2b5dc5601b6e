namespace OrderPlatform.Tests;

public sealed class KafkaLibraryTests(EngineFixture engines)
{
    [Fact]
    public async Task Loads_a_library_that_is_new_enough_for_the_client()
    {
        await engines.KafkaClientAsync(TestContext.Current.CancellationToken);

        new Version(Confluent.Kafka.Library.VersionString).ShouldBeGreaterThanOrEqualTo(new Version(2, 15));
    }
}
