using OrderPlatform.Consuming;

namespace OrderPlatform.Projections.Rebuilding;

/// <summary>
/// A projection's store, built a second time beside the live one, to take its place. Whoever works on it may be killed between
/// any two steps: every step can be done again, and the shadow's own progress says where to go on.
/// </summary>
internal interface IShadow
{
    /// <summary>Writes into the shadow. It has the live projection's code, another place and a progress of its own.</summary>
    ISink Sink { get; }

    /// <summary>Makes the place, or finds the one that an earlier holder has made.</summary>
    Task CreateAsync(CancellationToken cancellation);

    /// <summary>Writes what the sink has taken and holds back, if it does so.</summary>
    Task FlushAsync(CancellationToken cancellation);

    /// <summary>What is before these offsets is in, without having been read from there: the shadow's progress goes there, where it is before.</summary>
    Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation);

    /// <summary>All that there was is in: adds what is cheaper to make at once, such as indexes.</summary>
    Task CompleteAsync(CancellationToken cancellation);

    /// <summary>Sums up the live store, at one moment of it.</summary>
    Task<StoreSummary> SummarizeLiveAsync(CancellationToken cancellation);

    /// <summary>Sums up the shadow in the same way.</summary>
    Task<StoreSummary> SummarizeAsync(CancellationToken cancellation);

    /// <summary>Whether the shadow has become the live store: asked by whoever takes up a swap that broke off.</summary>
    Task<bool> IsSwappedAsync(CancellationToken cancellation);

    /// <summary>
    /// Makes the shadow the live store, with its progress, at one moment for all readers. The live consumer is held meanwhile; it
    /// notices by its progress, and goes on from the shadow's.
    /// </summary>
    /// <param name="advanceAsync">Brings the shadow to the offsets at which the live store is held, so that no reader sees it go back.</param>
    /// <returns>False: a reader would not let it, nothing was changed.</returns>
    Task<bool> TrySwapAsync(Func<IReadOnlyDictionary<int, long>, Task> advanceAsync, CancellationToken cancellation);

    /// <summary>Removes the shadow, or after a swap what it has replaced.</summary>
    Task DropAsync(CancellationToken cancellation);
}

/// <summary>What a store holds at a vector of offsets.</summary>
/// <param name="Offsets">The next offset by partition.</param>
/// <param name="Count">Rows: orders, or facts.</param>
/// <param name="Amount">Money that counts, all currencies added: a check sum, no figure.</param>
/// <param name="Hash">Over all rows, in whatever order.</param>
internal sealed record StoreSummary(IReadOnlyDictionary<int, long> Offsets, long Count, decimal Amount, string Hash);
