using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Saga;

/// <summary>What inventory knows of an order.</summary>
/// <param name="OrderVersion">The version of the order that asked for items last.</param>
/// <param name="Held">What is reserved for it at this moment.</param>
/// <param name="DueAt">When it is to be reserved; null when nothing is open.</param>
public sealed record ReservationView(ReservationStatus Status, int OrderVersion, IReadOnlyList<ProductQuantity> Held, DateTimeOffset? DueAt);

/// <summary>What payments know of an order.</summary>
/// <param name="OrderVersion">The version of the order that is paid.</param>
/// <param name="Reference">The gateway's number of the payment; null while it is not known to be paid.</param>
/// <param name="Attempt">How often the gateway was asked for what is open or was last.</param>
/// <param name="DueAt">When it is asked again; null when nothing is open.</param>
public sealed record PaymentView(PaymentStatus Status, int? OrderVersion, decimal? Amount, string? Reference, int Attempt, DateTimeOffset? DueAt);

/// <summary>What shipping knows of an order.</summary>
/// <param name="DueAt">When the courier comes or arrives; null when nothing is open.</param>
public sealed record DispatchView(DispatchStatus Status, string Courier, string TrackingNumber, DateTimeOffset? DueAt);

/// <summary>An order as the participants of its saga see it, each for itself: they learn of each other by events, moments later.</summary>
/// <param name="Reservation">Null while inventory knows nothing of the order.</param>
/// <param name="Payment">Null while payments know nothing of the order.</param>
/// <param name="Dispatch">Null while shipping knows nothing of the order.</param>
public sealed record SagaView(string OrderId, OrderStatus Status, ReservationView? Reservation, PaymentView? Payment, DispatchView? Dispatch);

/// <summary>GET /orders/{id}/saga: how far each participant is with an order.</summary>
internal static class GetSaga
{
    private static readonly SagaTable<Reservation> Reservations = new("reservation");
    private static readonly SagaTable<Payment> Payments = new("payment");
    private static readonly SagaTable<Dispatch> Dispatches = new("dispatch");

    public static async Task<IResult> HandleAsync(string id, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var order = await OrderStore.FindAsync(connection, id, cancellation) ?? throw ProblemException.NotFound($"order {id}");
        var reservation = await Reservations.FindAsync(connection, id, cancellation);
        var payment = await Payments.FindAsync(connection, id, cancellation);
        var dispatch = await Dispatches.FindAsync(connection, id, cancellation);
        return Answer.Json(StatusCodes.Status200OK, new SagaView(
            order.Id,
            order.Status,
            reservation is null ? null : new ReservationView(reservation.Status, reservation.OrderVersion, reservation.Held, reservation.DueAt),
            payment is null ? null : new PaymentView(payment.Status, payment.Bill?.OrderVersion, payment.Bill?.Amount, payment.Reference, payment.Attempt, payment.DueAt),
            dispatch is null ? null : new DispatchView(dispatch.Status, dispatch.Courier, dispatch.TrackingNumber, dispatch.DueAt)));
    }
}
