using System.Runtime.InteropServices;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>
/// Tells Confluent.Kafka where librdkafka is. The standalone build has no librdkafka.redist package: the host finds or
/// builds the library (OrderPlatform.Engines, Getting/Librdkafka.cs) and hands its path on in an environment variable.
/// </summary>
public static class KafkaLibrary
{
    /// <summary>The environment variable with the full path of librdkafka.</summary>
    public const string PathVariable = "ORDERPLATFORM_LIBRDKAFKA";

    private static int _registered;

    /// <summary>Call once before the first Kafka client is made; further calls change nothing.</summary>
    public static void Load()
    {
        if (Interlocked.Exchange(ref _registered, 1) == 0)
        {
            NativeLibrary.SetDllImportResolver(typeof(Confluent.Kafka.Library).Assembly, (name, _, _) => name.Contains("rdkafka", StringComparison.Ordinal) ? LoadNative() : 0);
        }
    }

    private static nint LoadNative() =>
        Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } path
            ? NativeLibrary.Load(path)
            : throw new DllNotFoundException(
                $"{PathVariable} is not set, so there is no librdkafka to load. Start the platform with `dotnet run --project OrderPlatform.AppHost`, which gets the library and sets the variable, or set it to the path of a librdkafka 2.15 or newer.");
}
