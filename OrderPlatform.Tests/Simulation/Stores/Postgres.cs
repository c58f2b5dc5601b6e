namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>A row of event_log.</summary>
/// <param name="Position">Taken under the aggregate's lock; may become visible later than a larger one.</param>
/// <param name="TransactionId">Who wrote it.</param>
internal sealed record LoggedRow(long Position, long TransactionId, string Stream, int Sequence, string Topic, string Key, object Event);

/// <summary>Which transactions a statement sees (pg_snapshot): those below <paramref name="Max"/> that were not open.</summary>
internal sealed record Snapshot(long Max, IReadOnlyList<long> Open)
{
    /// <summary>3 is the first transaction id that PostgreSQL gives.</summary>
    public static Snapshot Empty { get; } = new(3, []);

    /// <summary>The oldest transaction that was open, or would be next.</summary>
    public long Min => Open.Count == 0 ? Max : Open.Min();

    public bool Shows(long transactionId) => transactionId < Max && !Open.Contains(transactionId);

    public override string ToString() => $"{Min}:{Max}:{string.Join(',', Open)}";
}

/// <summary>
/// PostgreSQL: transactions whose ids, positions and commits come in different orders. A kill rolls back what is open and may
/// forget the commits that did not wait for the disk, the last ones first.
/// </summary>
internal sealed class Postgres(Promises promises)
{
    private readonly List<Transaction> _open = [];
    private readonly Stack<Action> _unflushed = [];
    private long _lastId = Snapshot.Empty.Max - 1;
    private long _lastEnded = Snapshot.Empty.Max - 1;
    private long _lastPosition;

    /// <summary>The committed rows of event_log, in the order of their commits.</summary>
    public List<LoggedRow> Log { get; } = [];

    public Transaction Begin()
    {
        var transaction = new Transaction(this);
        _open.Add(transaction);
        return transaction;
    }

    /// <summary>pg_current_snapshot().</summary>
    public Snapshot CurrentSnapshot() => new(_lastEnded + 1, [.. _open.Where(transaction => transaction.Id > 0 && transaction.Id <= _lastEnded).Select(transaction => transaction.Id)]);

    public void Kill(Random random)
    {
        foreach (var transaction in _open.ToList())
        {
            transaction.Dispose();
        }
        for (var forgotten = random.Next(_unflushed.Count + 1); forgotten > 0; forgotten--)
        {
            _unflushed.Pop()();
        }
        _unflushed.Clear();
    }

    internal long NextId() => ++_lastId;

    internal long NextPosition() => ++_lastPosition;

    internal void Committed(List<LoggedRow> appended, IReadOnlyList<Action> undo, bool synchronously)
    {
        appended.ForEach(promises.Logged);
        Log.AddRange(appended);
        if (synchronously)
        {
            _unflushed.Clear(); // one log: what was written before is on the disk, too
        }
        else
        {
            _unflushed.Push(() => undo.ToList().ForEach(row => row()));
        }
    }

    internal void Ended(Transaction transaction)
    {
        _open.Remove(transaction);
        _lastEnded = Math.Max(_lastEnded, transaction.Id);
    }
}
