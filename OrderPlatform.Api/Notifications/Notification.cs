using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Notifications;

/// <summary>An e-mail to a customer, without the address.</summary>
/// <param name="EventId">The order's event that it tells of.</param>
/// <param name="Attempt">How often it was tried before.</param>
internal sealed record Notification(Guid EventId, string CustomerId, string Subject, string Body, int Attempt = 0)
{
    /// <summary>
    /// RFC 5322's Message-ID, made from the event's: an e-mail that a crash has repeated is known by it, to mail programs too.
    /// </summary>
    public string MessageId => $"<{EventId:D}@orderplatform>";

    /// <summary>What a customer is told of an event.</summary>
    public static Notification Of(Guid eventId, OrderEvent happened)
    {
        var (what, text) = happened switch
        {
            OrderShipped shipped => ("is on its way", $"{shipped.Courier} has it under the number {shipped.TrackingNumber}."),
            OrderDelivered => ("has arrived", "We hope that you like it."),
            OrderCancelled cancelled => ("was cancelled", $"{(cancelled.Reason is null ? "" : $"The reason: {cancelled.Reason}. ")}What you have paid is given back."),
            _ => ("is confirmed", "It is paid, and will be sent soon."),
        };
        var body = string.Create(null, $"Your order {happened.OrderId} of {happened.TotalAmount:F2} {happened.Currency} {what}.\r\n{text}\r\n");
        return new Notification(eventId, happened.CustomerId, $"Your order {what}", body);
    }
}
