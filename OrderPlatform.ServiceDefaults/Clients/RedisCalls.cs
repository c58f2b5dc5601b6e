using StackExchange.Redis;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>Calls of a Redis that may be restarted at any moment.</summary>
public static class RedisCalls
{
    /// <summary>
    /// Asks, and waits for the answer no longer than the connection lives: the client leaves calls open for ever that were under way
    /// when the server was killed.
    /// </summary>
    /// <param name="bound">How long an answer may take.</param>
    /// <exception cref="RedisException">Redis is away, or refuses the call.</exception>
    /// <exception cref="TimeoutException">No answer within the bound or the connection's life; what it did is not known.</exception>
    public static async Task<T> AskAsync<T>(this IDatabase database, Func<IDatabase, Task<T>> ask, TimeSpan bound, CancellationToken cancellation)
    {
        var lost = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnFailed(object? _, ConnectionFailedEventArgs failed) => lost.TrySetException(new TimeoutException("Redis was lost before it answered."));
        database.Multiplexer.ConnectionFailed += OnFailed;
        try
        {
            return await await Task.WhenAny(ask(database), lost.Task).WaitAsync(bound, cancellation);
        }
        finally
        {
            database.Multiplexer.ConnectionFailed -= OnFailed;
        }
    }

    /// <summary>
    /// Runs a script. The client sends only its hash once it has sent the text; a server that was restarted does not know it
    /// any more and says NOSCRIPT, having done nothing. Asked again, the client sends the text.
    /// </summary>
    /// <inheritdoc cref="AskAsync" path="/param"/>
    /// <inheritdoc cref="AskAsync" path="/exception"/>
    public static async Task<RedisResult> EvaluateAsync(this IDatabase database, string script, RedisKey[] keys, RedisValue[] arguments, TimeSpan bound, CancellationToken cancellation)
    {
        Task<RedisResult> EvaluateAsync(IDatabase asked) => asked.ScriptEvaluateAsync(script, keys, arguments);
        try
        {
            return await database.AskAsync(EvaluateAsync, bound, cancellation);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            return await database.AskAsync(EvaluateAsync, bound, cancellation);
        }
    }
}
