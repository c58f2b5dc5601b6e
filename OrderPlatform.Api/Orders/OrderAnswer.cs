using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Orders;

/// <summary>An order as an answer: with its ETag, which is its version.</summary>
internal static class OrderAnswer
{
    public static Answer Created(Order order) => Answer.Created($"/orders/{order.Id}", order, order.Version);

    public static Answer Ok(Order order) => Answer.Ok(order, order.Version);
}
