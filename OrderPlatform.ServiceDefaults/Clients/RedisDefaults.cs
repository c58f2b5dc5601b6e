using StackExchange.Redis;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>How the services' connection to Redis behaves when Redis is away, the same in both modes.</summary>
internal static class RedisDefaults
{
    private const int PauseMs = 500;
    private const int SyncTimeoutMs = 5000;

    /// <summary>It starts without a server, and finds one that is back within a second: the client's own pauses are 5 s and more.</summary>
    public static void Apply(ConfigurationOptions options)
    {
        options.AbortOnConnectFail = false;
        options.ReconnectRetryPolicy = new LinearRetry(PauseMs);
        // later versions' own; the second of earlier ones is too short for a SCAN while all services start on a busy machine
        options.SyncTimeout = SyncTimeoutMs;
    }
}
