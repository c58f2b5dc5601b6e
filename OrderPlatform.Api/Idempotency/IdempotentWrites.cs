using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Idempotency;

/// <summary>
/// POSTs that can be sent again without being done again, after Stripe and the IETF draft
/// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/): the answer is kept in the transaction of
/// the work itself, so either both are there or neither is.
/// </summary>
public sealed class IdempotentWrites([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, IdempotencyMetrics metrics)
{
    /// <summary>Runs <paramref name="work"/> in one transaction with the record of its answer, or gives the answer that was recorded before.</summary>
    /// <param name="body">The request's body as it came.</param>
    /// <param name="forGood">The key never expires (imports).</param>
    /// <param name="work">Writes through the connection's open transaction and gives the answer. What it throws rolls everything back and is not kept.</param>
    /// <exception cref="ProblemException">400 without a usable key, 409 while the same key is being worked on, 422 when the key was used for something else.</exception>
    public Task<Answer> RunAsync(HttpContext http, ReadOnlyMemory<byte> body, bool forGood, Func<NpgsqlConnection, CancellationToken, Task<Answer>> work) =>
        RunAsync(IdempotentRequest.Of(http, body, forGood), work, http.RequestAborted);

    /// <summary>The same for a request that has been read.</summary>
    /// <exception cref="ProblemException">409 while the same key is being worked on, 422 when the key was used for something else.</exception>
    public async Task<Answer> RunAsync(IdempotentRequest request, Func<NpgsqlConnection, CancellationToken, Task<Answer>> work, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        if (await AnswerStore.FindAsync(connection, request, cancellation) is { } before)
        {
            metrics.Repeated();
            return before.RequestHash.AsSpan().SequenceEqual(request.Hash)
                ? before.Answer
                : throw new ProblemException(StatusCodes.Status422UnprocessableEntity, "This Idempotency-Key was used for another request. Use a new key for a new request.");
        }
        var answer = await work(connection, cancellation);
        var recorded = await AnswerStore.RecordAsync(connection, [(request, answer)], clock.GetUtcNow(), cancellation);
        await transaction.CommitAsync(CancellationToken.None); // past this point a caller who has left would only leave the outcome unknown
        metrics.Done(again: recorded[request]); // the lock is held, and a live record would have been answered
        return answer;
    }

    /// <summary>
    /// Several callers' requests in one transaction: records the answers of those that nobody is working on and nobody has done, and
    /// runs <paramref name="work"/> for exactly these.
    /// </summary>
    /// <param name="requests">With the answers that they will have got. No key may come twice.</param>
    /// <param name="work">Writes through the connection's open transaction. What it throws rolls everything back.</param>
    /// <returns>The requests that were done. Nothing was written for the others, which are to be run alone.</returns>
    public async Task<IReadOnlySet<IdempotentRequest>> RunTogetherAsync(
        IReadOnlyList<(IdempotentRequest Request, Answer Answer)> requests, Func<NpgsqlConnection, IReadOnlySet<IdempotentRequest>, Task> work)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var recorded = await AnswerStore.RecordAsync(connection, requests, clock.GetUtcNow(), CancellationToken.None);
        var done = recorded.Keys.ToHashSet();
        await work(connection, done);
        await transaction.CommitAsync();
        foreach (var again in recorded.Values)
        {
            metrics.Done(again);
        }
        return done;
    }
}
