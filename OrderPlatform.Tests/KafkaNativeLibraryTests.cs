namespace OrderPlatform.Tests;

public sealed class KafkaNativeLibraryTests
{
    [Fact]
    public void Loads_the_version_that_belongs_to_the_client()
    {
        ServiceDefaults.KafkaNativeLibrary.Register();

        Confluent.Kafka.Library.VersionString.ShouldBe("2.15.1");
    }
}
