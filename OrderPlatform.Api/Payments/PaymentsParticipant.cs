using Npgsql;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Payments;

/// <summary>
/// Charges what is reserved, and gives back what was cancelled or changed. The gateway is asked outside of any transaction:
/// claim, call, record. A crash in between leaves the claim, which ends; then it is asked again with the same key.
/// </summary>
internal sealed class PaymentsParticipant(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IPaymentGateway gateway, TimeProvider clock, ILogger<PaymentsParticipant> log)
    : SagaParticipant<Payment>("saga-payments", "payment", source, clock, typeof(StockReserved), typeof(OrderCancelled)), IDisposable
{
    private const int MaxCalls = 32;
    private static readonly TimeSpan CallBound = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _calls = new(MaxCalls);

    /// <summary>Asks the gateway for what is due, many at a time; a slow answer holds up no other.</summary>
    public override async Task<bool> TickAsync(CancellationToken cancellation)
    {
        // what is claimed is asked for at once, so at least one call must be free
        await _calls.WaitAsync(cancellation);
        _calls.Release();
        var claimed = await OnDueAsync(_calls.CurrentCount, ClaimAsync, cancellation);
        foreach (var payment in claimed)
        {
            await _calls.WaitAsync(cancellation);
            _ = CallAsync(payment, cancellation);
        }
        return claimed.Count > 0;

        static Task ClaimAsync(NpgsqlConnection connection, SagaBatch<Payment> batch, DateTimeOffset now)
        {
            foreach (var payment in batch.States)
            {
                batch.Decide(payment.OrderId, before => Payment.Ask(before, now), now);
            }
            return Task.CompletedTask;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _calls.Dispose();

    protected override Decision<Payment> On(Payment before, Message message, DateTimeOffset now) => Payment.On(before, message, now);

    private async Task CallAsync(Payment payment, CancellationToken stopping)
    {
        var refund = payment.Status is PaymentStatus.Replacing or PaymentStatus.Refunding;
        try
        {
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            bound.CancelAfter(CallBound);
            await (refund ? RefundAsync(payment, bound.Token) : ChargeAsync(payment, bound.Token));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            PaymentsLog.Silent(log, payment.OrderId, payment.Attempt, e.Message);
            await TryRecordAsync(payment, new GatewaySilent(payment.Bill!.OrderVersion, refund), stopping);
        }
        finally
        {
            _calls.Release();
        }
    }

    private async Task ChargeAsync(Payment payment, CancellationToken cancellation)
    {
        var bill = payment.Bill!;
        await foreach (var answer in gateway.ChargeAsync(Payment.KeyOf(payment.OrderId, bill.OrderVersion), bill.Amount, bill.Currency, bill.CustomerId, cancellation))
        {
            await RecordAsync(payment, new ChargeAnswered(bill.OrderVersion, answer.Reference, answer.Refusal), cancellation);
        }
    }

    private async Task RefundAsync(Payment payment, CancellationToken cancellation)
    {
        var version = payment.Bill!.OrderVersion;
        var reference = await gateway.RefundAsync(Payment.KeyOf(payment.OrderId, version), cancellation);
        await RecordAsync(payment, new RefundAnswered(version, reference), cancellation);
    }

    private async Task RecordAsync(Payment payment, object answer, CancellationToken cancellation)
    {
        var now = Now;
        await using var connection = await Source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var batch = await Table.LockAsync(connection, [payment.OrderId], cancellation);
        batch.Decide(payment.OrderId, before => Payment.On(before, new Message(answer, Sequence: 0), now), now);
        await batch.SaveAsync(connection, Table, cancellation);
        await transaction.CommitAsync(cancellation);
    }

    // that it is asked again sooner than the claim ends is a convenience only
    private async Task TryRecordAsync(Payment payment, object answer, CancellationToken cancellation)
    {
        try
        {
            await RecordAsync(payment, answer, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            PaymentsLog.Silent(log, payment.OrderId, payment.Attempt, e.Message);
        }
    }
}

/// <summary>What payments say.</summary>
internal static partial class PaymentsLog
{
    [LoggerMessage(21, LogLevel.Information, "The gateway's answer for order {OrderId}, asked {Attempt} times, is not known: {Reason}")]
    public static partial void Silent(ILogger logger, string orderId, int attempt, string reason);
}
