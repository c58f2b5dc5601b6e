using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>
/// Writes the orders of several callers in one transaction (docs/decisions/0017): those that come while a batch is being
/// committed are the next one, so nobody waits who is there alone. Whatever is not plain is left to the caller's own
/// transaction, which has the rules: a repeat, a key that is being worked on, and everything of a batch that PostgreSQL refuses.
/// </summary>
internal sealed class OrderBatches(IdempotentWrites writes, IOptions<OrderOptions> options, ILogger<OrderBatches> log) : IHostedService
{
    private const int MaxOrders = 64;

    /// <summary>Batches, and so connections, at the same time: more than one, so that the wait has a bound however long a commit takes.</summary>
    private const int MaxBatches = 4;

    /// <summary>Some batches' worth, which takes a fraction of a second: beyond that a caller had better come again.</summary>
    private const int MaxWaiting = 1024;

    /// <summary>How long an order waits for others while a batch before it is being committed.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan AfterFailure = TimeSpan.FromMilliseconds(100);

    private readonly Channel<Waiting> _waiting = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private Task _writing = Task.CompletedTask;

    /// <summary>Writes an order in a batch.</summary>
    /// <returns>Its answer; null when nothing was written and the order is to be placed alone.</returns>
    /// <exception cref="ProblemException">503: too many orders are waiting, or the service is being stopped.</exception>
    /// <exception cref="NpgsqlException">PostgreSQL is away. Whether the order was written is not known: the same key tells.</exception>
    public Task<Answer?> TryPlaceAsync(PlacedOrder order, CancellationToken cancellation)
    {
        if (!options.Value.MicroBatch)
        {
            return Task.FromResult<Answer?>(null);
        }
        var waiting = new Waiting(order, cancellation);
        return _waiting.Writer.TryWrite(waiting)
            ? waiting.Outcome.Task
            : throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "More orders are waiting than can be written at the moment. Send the request again, with the same Idempotency-Key.") { RetryAfter = Retry };
    }

    /// <inheritdoc />
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _writing = Task.Run(WriteAllAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>What has come is written to its end, also when the service is stopped in the moment of its start: a BackgroundService would not run at all then.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        _waiting.Writer.TryComplete();
        return _writing.WaitAsync(cancellationToken);
    }

    private async Task WriteAllAsync()
    {
        using var free = new SemaphoreSlim(MaxBatches);
        var last = Task.CompletedTask;
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            if (!last.IsCompleted)
            {
                await Task.WhenAny(last, Task.Delay(LongestWait, CancellationToken.None));
            }
            await free.WaitAsync(CancellationToken.None);
            last = PlaceAsync(Take(), free);
        }
        for (var batch = 0; batch < MaxBatches; batch++)
        {
            await free.WaitAsync(CancellationToken.None);
        }
    }

    private List<Waiting> Take()
    {
        var batch = new List<Waiting>();
        while (batch.Count < MaxOrders && _waiting.Reader.TryRead(out var next))
        {
            if (next.Cancellation.IsCancellationRequested)
            {
                next.Outcome.SetCanceled(next.Cancellation);
            }
            else
            {
                batch.Add(next);
            }
        }
        return batch;
    }

    private async Task PlaceAsync(List<Waiting> batch, SemaphoreSlim free)
    {
        try
        {
            var written = await WriteAsync(batch.ConvertAll(one => one.Order));
            batch.ForEach(one => one.Outcome.SetResult(written.Contains(one.Order.Request) ? one.Order.Answer : null));
        }
        catch (PostgresException e) when (!IsAway(e))
        {
            log.LogWarning("A batch of {Orders} orders was refused, each is placed alone: {Reason}", batch.Count, e.MessageText);
            batch.ForEach(one => one.Outcome.SetResult(null));
        }
        catch (Exception e)
        {
            batch.ForEach(one => one.Outcome.SetException(e));
            if (e is NpgsqlException)
            {
                // orders that come meanwhile are one batch: a server that starts has better to do than to turn each of them away
                await Task.Delay(AfterFailure, CancellationToken.None);
            }
        }
        finally
        {
            free.Release();
        }
    }

    // 57P: the server is being shut down or started; 53: it has no connection left, or no memory, or no disk
    private static bool IsAway(PostgresException e) => e.SqlState is ['5', '7', 'P', ..] or ['5', '3', ..];

    private async Task<IReadOnlySet<IdempotentRequest>> WriteAsync(List<PlacedOrder> orders)
    {
        // the first one of a key is written, and its repeats find its answer
        var firsts = orders.DistinctBy(order => (order.Request.Caller, order.Request.Key)).ToDictionary(order => order.Request);
        var traces = firsts.Values.Select(order => order.TraceParent);
        using var span = EventSpans.StartBatch("orders write", ActivityKind.Internal, traces);
        var done = await writes.RunTogetherAsync([.. firsts.Values.Select(order => (order.Request, order.Answer))], (connection, taken) =>
            OrderStore.InsertAsync(connection, [.. taken.Select(request => firsts[request]).Select(order => (order.Order, order.Happened, order.TraceParent))], CancellationToken.None));
        span.EndBatch(traces);
        return done;
    }

    private sealed record Waiting(PlacedOrder Order, CancellationToken Cancellation)
    {
        public TaskCompletionSource<Answer?> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
