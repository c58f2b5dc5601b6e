namespace OrderPlatform.Relay.Ownership;

/// <summary>Work of several parts, of which none makes sense without the others.</summary>
internal static class Together
{
    /// <summary>Runs the parts until the first one ends, then cancels the others and waits for them.</summary>
    /// <returns>As the first one ended.</returns>
    public static async Task RunAsync(CancellationToken stopping, params Func<CancellationToken, Task>[] parts)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var running = Array.ConvertAll(parts, part => part(ending.Token));
        try
        {
            await await Task.WhenAny(running);
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
