namespace OrderPlatform.Api.Payments;

/// <summary>A payment gateway. Every call has an idempotency key: asked again with the same one, it does nothing again and gives the same answer.</summary>
public interface IPaymentGateway
{
    /// <summary>Takes the money, once for each key.</summary>
    /// <returns>Its answers. One is enough; a gateway that repeats itself gives the same one again.</returns>
    /// <exception cref="TimeoutException">It did not answer: whether the money was taken is not known. Ask again with the same key.</exception>
    IAsyncEnumerable<ChargeAnswer> ChargeAsync(string idempotencyKey, decimal amount, string currency, string customerId, CancellationToken cancellation);

    /// <summary>Gives back what was taken under a key. When nothing was taken, nothing ever will be: a charge that comes later is refused.</summary>
    /// <returns>The gateway's number of the payment that was given back; null when there was none.</returns>
    /// <exception cref="TimeoutException">It did not answer: whether the money was given back is not known. Ask again with the same key.</exception>
    Task<string?> RefundAsync(string idempotencyKey, CancellationToken cancellation);
}

/// <summary>A gateway's answer to a charge.</summary>
/// <param name="Reference">Its number of the payment; null when it refused.</param>
/// <param name="Refusal">Why it refused, in a word or two; null when it did not.</param>
public sealed record ChargeAnswer(string? Reference, string? Refusal);
