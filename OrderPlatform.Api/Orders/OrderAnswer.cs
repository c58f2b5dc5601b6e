using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Orders;

/// <summary>An order as an answer: with its ETag, which is its version.</summary>
internal static class OrderAnswer
{
    public static Answer Created(Order order) => Answer.Json(StatusCodes.Status201Created, order, ("Location", $"/orders/{order.Id}"), ("ETag", ETags.Of(order.Version)));

    public static Answer Ok(Order order) => Answer.Json(StatusCodes.Status200OK, order, ("ETag", ETags.Of(order.Version)));
}
