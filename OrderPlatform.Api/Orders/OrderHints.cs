namespace OrderPlatform.Api.Orders;

/// <summary>
/// Wakes the streams of an order right after a commit of this process. Only a hint: a stream whose order was changed by
/// another replica reads again by itself a moment later, and one that is woken for nothing finds nothing.
/// </summary>
public sealed class OrderHints
{
    /// <summary>Orders share this many places to wait at, so that nothing grows with their number.</summary>
    private const int Places = 1024;

    private readonly TaskCompletionSource[] _next = [.. Enumerable.Range(0, Places).Select(_ => New())];

    /// <summary>Ends with the order's next change. Ask before reading, so that no change falls between.</summary>
    public Task Next(string orderId) => Volatile.Read(ref PlaceOf(orderId)).Task;

    /// <summary>The order has changed, and the change is committed.</summary>
    public void Announce(string orderId) => Interlocked.Exchange(ref PlaceOf(orderId), New()).TrySetResult();

    private ref TaskCompletionSource PlaceOf(string orderId) => ref _next[(uint)orderId.GetHashCode(StringComparison.OrdinalIgnoreCase) % Places];

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
