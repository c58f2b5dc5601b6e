using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>An order that is decided and not yet written.</summary>
/// <param name="Happened">Its first event.</param>
/// <param name="TraceParent">The trace of the request, if any.</param>
/// <param name="Answer">What the caller gets once it is written.</param>
internal sealed record PlacedOrder(IdempotentRequest Request, Order Order, OrderEvent Happened, string? TraceParent, Answer Answer);
