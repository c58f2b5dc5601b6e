using StackExchange.Redis;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>Lua scripts on a Redis that may be restarted at any moment.</summary>
public static class RedisScripts
{
    /// <summary>
    /// Runs a script. The client sends only its hash once it has sent the text; a server that was restarted does not know it
    /// any more and says NOSCRIPT, having done nothing. Asked again, the client sends the text.
    /// </summary>
    /// <param name="bound">How long an answer may take.</param>
    /// <exception cref="RedisException">Redis is away, or refuses the script.</exception>
    /// <exception cref="TimeoutException">No answer within the bound; what it did is not known.</exception>
    public static async Task<RedisResult> EvaluateAsync(this IDatabase database, string script, RedisKey[] keys, RedisValue[] arguments, TimeSpan bound, CancellationToken cancellation)
    {
        try
        {
            return await database.ScriptEvaluateAsync(script, keys, arguments).WaitAsync(bound, cancellation);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            return await database.ScriptEvaluateAsync(script, keys, arguments).WaitAsync(bound, cancellation);
        }
    }
}
