using Npgsql;
using OrderPlatform.Api.EventLog;

namespace OrderPlatform.Api.Saga;

/// <summary>Some orders that one transaction decides on, and what it has decided so far.</summary>
internal sealed class SagaBatch<TState>
    where TState : class, ISagaState<TState>
{
    private readonly Dictionary<string, Row> _rows;
    private readonly List<NewEvent> _events = [];

    public SagaBatch(IReadOnlyList<(TState State, string? TraceParent)> locked) =>
        _rows = locked.ToDictionary(row => row.State.OrderId, row => new Row(row.State, row.State, row.TraceParent), StringComparer.OrdinalIgnoreCase);

    /// <summary>What is known of each order by now.</summary>
    public IReadOnlyList<TState> States => [.. _rows.Values.Select(row => row.Now)];

    /// <summary>What has changed.</summary>
    public IReadOnlyList<(TState Before, TState Now)> Changes => [.. _rows.Values.Where(row => !ReferenceEquals(row.Before, row.Now)).Select(row => (row.Before, row.Now))];

    /// <summary>What was told, in order.</summary>
    public IReadOnlyList<NewEvent> Events => _events;

    /// <summary>Decides on one order.</summary>
    /// <param name="traceParent">The trace that this belongs to; null stays in the one of the message before.</param>
    /// <returns>What is known of it now.</returns>
    public TState Decide(string orderId, Func<TState, Decision<TState>> decide, DateTimeOffset now, string? traceParent = null)
    {
        var row = _rows[orderId];
        var trace = traceParent ?? row.TraceParent;
        var (state, events) = decide(row.Now);
        for (var i = 0; i < events.Count; i++)
        {
            _events.Add(new NewEvent(state.OrderId, row.Now.Sequence + i + 1, now, events[i], trace));
        }
        _rows[orderId] = row with { Now = events.Count == 0 ? state : state.After(events.Count), TraceParent = trace };
        return _rows[orderId].Now;
    }

    /// <summary>Writes what has changed and was told.</summary>
    public async Task SaveAsync(NpgsqlConnection connection, SagaTable<TState> table, CancellationToken cancellation)
    {
        await table.UpdateAsync(connection, [.. _rows.Values.Where(row => !ReferenceEquals(row.Before, row.Now)).Select(row => (row.Now, row.TraceParent))], cancellation);
        await EventLogWriter.AppendAsync(connection, _events, cancellation);
    }

    private sealed record Row(TState Before, TState Now, string? TraceParent);
}
