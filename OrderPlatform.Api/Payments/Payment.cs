using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Payments;

/// <summary>Where an order's payment stands.</summary>
public enum PaymentStatus
{
    /// <summary>Nothing is known of the order.</summary>
    None,

    /// <summary>The gateway is asked for the money, until it answers.</summary>
    Charging,

    /// <summary>The money was taken.</summary>
    Completed,

    /// <summary>The gateway refused; a later version of the order may still be paid.</summary>
    Failed,

    /// <summary>The order was changed: what an earlier version paid is given back, then the later one is charged.</summary>
    Replacing,

    /// <summary>The order was cancelled: the gateway is asked to give back what it took, until it answers.</summary>
    Refunding,

    /// <summary>The money was given back: an end.</summary>
    Refunded,

    /// <summary>The order was cancelled and nothing was taken: an end.</summary>
    Cancelled,
}

/// <summary>What is to be paid for one version of an order.</summary>
public sealed record Bill(int OrderVersion, string CustomerId, decimal Amount, string Currency);

/// <summary>The gateway's answer to a charge.</summary>
/// <param name="OrderVersion">What was charged.</param>
/// <param name="Reference">The gateway's number of the payment; null when it refused.</param>
/// <param name="Refusal">Why it refused; null when it did not.</param>
public sealed record ChargeAnswered(int OrderVersion, string? Reference, string? Refusal);

/// <summary>The gateway's answer to a refund.</summary>
/// <param name="OrderVersion">What was given back.</param>
/// <param name="Reference">The gateway's number of the payment; null when nothing had been taken, and never will be.</param>
public sealed record RefundAnswered(int OrderVersion, string? Reference);

/// <summary>The gateway did not answer: whether it did anything is not known.</summary>
/// <param name="OrderVersion">What it was asked about.</param>
/// <param name="Refund">It was asked for a refund, not for a charge.</param>
public sealed record GatewaySilent(int OrderVersion, bool Refund);

/// <summary>
/// What payments know of one order. Pure: the gateway is asked when it is due, by the storage around it. At most one bill is
/// charged at a time, under a key of its own (<see cref="KeyOf"/>), so asking again is harmless.
/// </summary>
public sealed record Payment : ISagaState<Payment>
{
    /// <summary>Longer than a call of the gateway may take: nobody else asks meanwhile, and after a crash somebody does.</summary>
    internal static readonly TimeSpan Claimed = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);

    /// <inheritdoc />
    public required string OrderId { get; init; }

    /// <summary>Where it stands.</summary>
    public PaymentStatus Status { get; init; }

    /// <inheritdoc />
    public int Sequence { get; init; }

    /// <inheritdoc />
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>What is being charged, was charged, or is given back.</summary>
    public Bill? Bill { get; init; }

    /// <summary>What is charged once the bill is given back.</summary>
    public Bill? Next { get; init; }

    /// <summary>The gateway's number of the payment of the bill; null while it is not known to be paid.</summary>
    public string? Reference { get; init; }

    /// <summary>How often the gateway was asked for what is open.</summary>
    public int Attempt { get; init; }

    string ISagaState<Payment>.StatusName => Status.ToString();

    private int LatestVersion => Math.Max(Bill?.OrderVersion ?? 0, Next?.OrderVersion ?? 0);

    /// <summary>The idempotency key of a bill towards the gateway.</summary>
    public static string KeyOf(string orderId, int orderVersion) => $"{orderId}/{orderVersion}";

    /// <inheritdoc />
    public static Payment New(string orderId) => new() { OrderId = orderId };

    /// <inheritdoc />
    public Payment After(int events) => this with { Sequence = Sequence + events };

    /// <summary>What a message makes of it.</summary>
    public static Decision<Payment> On(Payment before, Message message, DateTimeOffset now) => message.Event switch
    {
        StockReserved reserved => before.Billed(new Bill(reserved.OrderVersion, reserved.CustomerId, reserved.Amount, reserved.Currency), now),
        OrderCancelled => before.Cancel(now),
        ChargeAnswered answer when answer.OrderVersion == before.Bill?.OrderVersion => before.Charged(answer),
        RefundAnswered answer when answer.OrderVersion == before.Bill?.OrderVersion => before.GivenBack(answer, now),
        GatewaySilent silent when silent.OrderVersion == before.Bill?.OrderVersion => before.Later(silent, now),
        _ => before,
    };

    /// <summary>It is due, and the gateway is about to be asked.</summary>
    public static Decision<Payment> Ask(Payment before, DateTimeOffset now) => before with { Attempt = before.Attempt + 1, DueAt = now + Claimed };

    // a version that is not above the latest one comes late, or again
    private Payment Billed(Bill bill, DateTimeOffset now) => bill.OrderVersion <= LatestVersion ? this : Status switch
    {
        PaymentStatus.None or PaymentStatus.Failed => Charge(bill, now),
        PaymentStatus.Charging or PaymentStatus.Completed => this with { Status = PaymentStatus.Replacing, Next = bill, Attempt = 0, DueAt = now },
        PaymentStatus.Replacing => this with { Next = bill },
        _ => this,
    };

    private Payment Cancel(DateTimeOffset now) => Status switch
    {
        PaymentStatus.None or PaymentStatus.Failed => this with { Status = PaymentStatus.Cancelled },
        PaymentStatus.Charging or PaymentStatus.Completed => this with { Status = PaymentStatus.Refunding, Attempt = 0, DueAt = now },
        PaymentStatus.Replacing => this with { Status = PaymentStatus.Refunding, Next = null },
        _ => this,
    };

    private Decision<Payment> Charged(ChargeAnswered answer) => Status != PaymentStatus.Charging ? this
        : answer.Reference is { } reference
            ? (this with { Status = PaymentStatus.Completed, Reference = reference, DueAt = null }).Tells(Completed(reference))
            : (this with { Status = PaymentStatus.Failed, DueAt = null }).Tells(
                new PaymentFailed { OrderId = OrderId, OrderVersion = Bill!.OrderVersion, Amount = Bill.Amount, Currency = Bill.Currency, Reason = answer.Refusal ?? "refused" });

    private Decision<Payment> GivenBack(RefundAnswered answer, DateTimeOffset now)
    {
        if (Status is not (PaymentStatus.Replacing or PaymentStatus.Refunding))
        {
            return this;
        }
        // a charge whose answer never came is told of together with its refund
        IReadOnlyList<object> events = answer.Reference is not { } reference ? []
            : Reference is null ? [Completed(reference), Refunded(reference)]
            : [Refunded(reference)];
        return Status == PaymentStatus.Replacing
            ? Charge(Next!, now).Tells(events)
            : (this with { Status = answer.Reference is null ? PaymentStatus.Cancelled : PaymentStatus.Refunded, DueAt = null }).Tells(events);
    }

    private Payment Later(GatewaySilent silent, DateTimeOffset now)
    {
        var asking = Status switch
        {
            PaymentStatus.Charging => !silent.Refund,
            PaymentStatus.Replacing or PaymentStatus.Refunding => silent.Refund,
            _ => false,
        };
        var wait = FirstRetry * Math.Pow(2, Math.Min(Attempt, 10) - 1);
        return asking ? this with { DueAt = now + (wait < LongestRetry ? wait : LongestRetry) } : this;
    }

    private Payment Charge(Bill bill, DateTimeOffset now) => this with { Status = PaymentStatus.Charging, Bill = bill, Next = null, Reference = null, Attempt = 0, DueAt = now };

    private PaymentCompleted Completed(string reference) => new() { OrderId = OrderId, OrderVersion = Bill!.OrderVersion, Amount = Bill.Amount, Currency = Bill.Currency, Reference = reference };

    private PaymentRefunded Refunded(string reference) => new() { OrderId = OrderId, OrderVersion = Bill!.OrderVersion, Amount = Bill.Amount, Currency = Bill.Currency, Reference = reference };
}
