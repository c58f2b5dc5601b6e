using OrderPlatform.Api.EventLog;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>PostgreSQL was killed, or has ended the backend.</summary>
internal sealed class ConnectionLostException : Exception;

/// <summary>
/// A transaction of PostgreSQL at READ COMMITTED: it sees what is committed, waits for rows that others have locked, and what it
/// writes is seen by nobody before its commit. Not committed when it is disposed, it is rolled back.
/// </summary>
internal sealed class Transaction(Postgres postgres) : IDisposable
{
    private readonly List<ILockedRow> _rows = [];
    private readonly List<LoggedRow> _appended = [];
    private bool _isOver;

    /// <summary>Its id, which it gets with its first write or lock; 0 before that.</summary>
    public long Id { get; private set; }

    /// <summary>It begins to write.</summary>
    public void TakeId() => Id = Id == 0 ? postgres.NextId() : Id;

    /// <summary>Locks a row, one that does not exist yet included.</summary>
    /// <returns>False while another transaction has it: wait, or pass over it.</returns>
    public bool TryLock<T>(Table<T> table, string key)
    {
        TakeId();
        return TryAdvisoryLock(table, key);
    }

    /// <summary>The same without a write, so that no id is taken.</summary>
    public bool TryAdvisoryLock<T>(Table<T> table, string key)
    {
        ThrowIfLost();
        var row = table.RowOf(key);
        if (row.Owner is null)
        {
            row.Owner = this;
            _rows.Add(row);
        }
        return row.Owner == this;
    }

    /// <summary>A row as this transaction sees it.</summary>
    public T? Get<T>(Table<T> table, string key)
    {
        ThrowIfLost();
        var row = table.RowOf(key);
        return row.Owner == this ? row.Pending : row.Committed;
    }

    /// <summary>Writes a row that it has locked.</summary>
    public void Set<T>(Table<T> table, string key, T value)
    {
        ThrowIfLost();
        var row = table.RowOf(key);
        if (row.Owner != this)
        {
            throw new InvalidOperationException("A row is written without its lock.");
        }
        row.Set(value);
    }

    /// <summary>Appends an event; its position is taken now, and is seen with the commit.</summary>
    public void Append(NewEvent happened)
    {
        ThrowIfLost();
        TakeId();
        var type = EventTypes.Of(happened.Payload);
        _appended.Add(new LoggedRow(postgres.NextPosition(), Id, EventLogWriter.StreamOf(type.Aggregate, happened.AggregateId), happened.Sequence, type.Topic, happened.AggregateId, happened.Payload));
    }

    /// <summary>Makes everything durable and visible at once.</summary>
    /// <param name="synchronously">Whether it waits for the disk; if not, a kill of PostgreSQL may forget it.</param>
    public void Commit(bool synchronously = true)
    {
        ThrowIfLost();
        postgres.Committed(_appended, [.. _rows.Select(row => row.Commit())], synchronously);
        End();
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_isOver)
        {
            _rows.ForEach(row => row.Rollback());
            End();
        }
    }

    private void ThrowIfLost()
    {
        if (_isOver)
        {
            throw new ConnectionLostException();
        }
    }

    private void End()
    {
        _isOver = true;
        postgres.Ended(this);
    }
}
