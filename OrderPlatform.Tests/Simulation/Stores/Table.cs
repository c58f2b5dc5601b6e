namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>A row as a transaction holds it.</summary>
internal interface ILockedRow
{
    /// <summary>The transaction is committed.</summary>
    /// <returns>What takes the change back, should PostgreSQL forget it.</returns>
    Action Commit();

    /// <summary>The transaction is gone.</summary>
    void Rollback();
}

/// <summary>A table of PostgreSQL: rows by key, each locked by one transaction at most. Values are immutable.</summary>
/// <param name="check">A constraint: throws when a value breaks it.</param>
internal sealed class Table<T>(Action<T>? check = null)
{
    private readonly Dictionary<string, Row> _rows = [];

    /// <summary>What is committed, by key.</summary>
    public IEnumerable<KeyValuePair<string, T>> Committed => _rows.Where(row => row.Value.Committed is not null).Select(row => KeyValuePair.Create(row.Key, row.Value.Committed!));

    /// <summary>Whether a committed row is so.</summary>
    public bool Any(Func<T, bool> isSo)
    {
        foreach (var row in _rows.Values)
        {
            if (row.Committed is { } committed && isSo(committed))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>The committed value; default for a row that is not there.</summary>
    public T? Find(string key) => _rows.TryGetValue(key, out var row) ? row.Committed : default;

    internal Row RowOf(string key) => _rows.TryGetValue(key, out var row) ? row : _rows[key] = new Row(check);

    /// <summary>One row.</summary>
    internal sealed class Row(Action<T>? check) : ILockedRow
    {
        public T? Committed { get; private set; }

        public T? Pending { get; private set; }

        public Transaction? Owner { get; set; }

        public void Set(T value)
        {
            check?.Invoke(value);
            Pending = value;
        }

        public Action Commit()
        {
            var before = Committed;
            (Committed, Owner) = (Pending, null);
            return () => (Committed, Pending) = (before, before);
        }

        public void Rollback() => (Pending, Owner) = (Committed, null);
    }
}
