using System.Text;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Orders;

/// <summary>An order's status at one of its events.</summary>
public sealed record OrderStatusView(OrderStatus Status, int Version, DateTimeOffset OccurredAt);

/// <summary>Writes the events of one order as server-sent events. Whoever is cut off comes back with Last-Event-ID and misses nothing.</summary>
internal sealed class StatusStream(HttpResponse response, EventLogReader log, OrderHints hints, TimeProvider clock)
{
    private const int PageSize = 100;

    /// <summary>What another replica has committed is seen after this at the latest.</summary>
    private static readonly TimeSpan Reread = TimeSpan.FromSeconds(1);

    /// <summary>Proxies close what is silent for longer, and a client that has left is noticed by writing.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    /// <summary>Then the client comes back, and shows its key again.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>Whether nothing can come after that status.</summary>
    public static bool IsLast(OrderStatus status) => status is OrderStatus.Delivered or OrderStatus.Cancelled;

    /// <summary>Writes until the last status, until the client leaves or the process stops.</summary>
    public async Task WriteAsync(string orderId, int seen, CancellationToken aborted, CancellationToken stopping)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        using var longest = new CancellationTokenSource(Longest, clock);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(aborted, stopping, longest.Token);
        try
        {
            await response.Body.FlushAsync(end.Token);
            await WriteUntilLastAsync(orderId, seen, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
        }
        catch (NpgsqlException)
        {
            // it has begun, so there is no status to answer with: the client reconnects
        }
    }

    private async Task WriteUntilLastAsync(string orderId, int seen, CancellationToken cancellation)
    {
        var stream = OrderStore.StreamOf(orderId);
        var written = clock.GetTimestamp();
        while (true)
        {
            var changed = hints.Next(orderId);
            var events = await log.ReadAsync(stream, seen, PageSize, cancellation);
            foreach (var recorded in events)
            {
                seen = recorded.Sequence;
                var status = ((OrderEvent)recorded.Read()).NewStatus;
                await WriteAsync(recorded, status, cancellation);
                written = clock.GetTimestamp();
                if (IsLast(status))
                {
                    return;
                }
            }
            if (clock.GetElapsedTime(written) >= Heartbeat)
            {
                await WriteAsync(": still here\n\n", cancellation);
                written = clock.GetTimestamp();
            }
            if (events.Count < PageSize)
            {
                await Task.WhenAny(changed, Task.Delay(Reread, clock, cancellation));
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    private Task WriteAsync(RecordedEvent recorded, OrderStatus status, CancellationToken cancellation)
    {
        var data = JsonSerializer.Serialize(new OrderStatusView(status, recorded.Sequence, recorded.OccurredAt), PlatformJson.Options);
        return WriteAsync($"event: status\nid: {recorded.Sequence}\ndata: {data}\n\n", cancellation);
    }

    private async Task WriteAsync(string text, CancellationToken cancellation)
    {
        await response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellation);
        await response.Body.FlushAsync(cancellation);
    }
}
