using System.Globalization;
using System.Text.Json;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Orders;

/// <summary>An event of an order as callers see it.</summary>
/// <param name="Data">The event itself, as it was published.</param>
public sealed record OrderEventView(Guid Id, string Type, int Sequence, DateTimeOffset OccurredAt, JsonElement Data);

/// <summary>The last event of a page.</summary>
internal sealed record SequenceCursor(int Sequence)
{
    public static string Pack(OrderEventView view) => Paging.Pack($"{view.Sequence}");

    public static SequenceCursor? Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? new SequenceCursor(sequence) : null;
}

/// <summary>GET /orders/{id}/events: the order's history, oldest first.</summary>
internal static class GetOrderEvents
{
    public static async Task<IResult> HandleAsync(HttpContext http, string id, string? limit, string? cursor, EventLogReader log, CancellationToken cancellation)
    {
        var size = Paging.Limit(limit);
        var after = Paging.Unpack(cursor, SequenceCursor.Parse)?.Sequence ?? 0;
        var events = await log.ReadAsync(OrderStore.StreamOf(id), after, size + 1, cancellation);
        if (events.Count == 0 && after == 0)
        {
            throw ProblemException.NotFound($"order {id}");
        }
        var views = events.Select(recorded => new OrderEventView(recorded.Id, recorded.Type, recorded.Sequence, recorded.OccurredAt, JsonElement.Parse(recorded.Payload))).ToList();
        return Paging.Answer(http, views, size, SequenceCursor.Pack);
    }
}
