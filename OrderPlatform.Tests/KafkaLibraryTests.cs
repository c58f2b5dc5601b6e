namespace OrderPlatform.Tests;

public sealed class KafkaLibraryTests
{
    [Fact]
    public void Loads_the_version_that_belongs_to_the_client()
    {
        ServiceDefaults.Clients.KafkaLibrary.Load();

        Confluent.Kafka.Library.VersionString.ShouldBe("2.15.1");
    }
}
