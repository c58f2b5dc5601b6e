namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>The container build has librdkafka from the package that Confluent.Kafka depends on: nothing is left to do.</summary>
public static class KafkaLibrary
{
    /// <summary>The environment variable with the full path of librdkafka, which nobody sets here.</summary>
    public const string PathVariable = "ORDERPLATFORM_LIBRDKAFKA";

    /// <summary>Does nothing: Confluent.Kafka finds the library of its package by itself.</summary>
    public static void Load()
    {
    }
}
