using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Saga;

/// <summary>A participant's table: one row an order, locked while it is decided on.</summary>
/// <param name="table">Its name.</param>
internal sealed class SagaTable<TState>(string table)
    where TState : class, ISagaState<TState>
{
    private readonly string _insert = $"INSERT INTO {table} (order_id, status, sequence, state) SELECT * FROM unnest($1, $2, $3, $4) AS new (order_id, status, sequence, state) ORDER BY order_id ON CONFLICT DO NOTHING";

    private readonly string _lock = $"SELECT state::text, traceparent FROM {table} WHERE order_id = ANY ($1) ORDER BY order_id FOR UPDATE";

    private readonly string _due = $"SELECT state::text, traceparent FROM {table} WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED";

    private readonly string _update =
        $"""
        UPDATE {table} SET status = new.status, sequence = new.sequence, due_at = new.due_at, traceparent = new.traceparent, state = new.state
        FROM unnest($1, $2, $3, $4, $5, $6) AS new (order_id, status, sequence, due_at, traceparent, state) WHERE {table}.order_id = new.order_id
        """;

    /// <summary>The orders' rows, locked for the transaction. A row that is missing is made first, so that two messages of a new order wait for each other.</summary>
    public async Task<SagaBatch<TState>> LockAsync(NpgsqlConnection connection, IEnumerable<string> orderIds, CancellationToken cancellation)
    {
        var states = orderIds.Distinct().Select(TState.New).ToList();
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(_insert) { Parameters = { Ids(states), Names(states), Sequences(states), Documents(states) } },
                new(_lock) { Parameters = { Ids(states) } },
            },
        };
        return await ReadAsync(batch, cancellation);
    }

    /// <summary>Orders that are due, the longest waiting first, locked for the transaction; those that somebody else is at are left out.</summary>
    public async Task<SagaBatch<TState>> LockDueAsync(NpgsqlConnection connection, DateTimeOffset now, int limit, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { new(_due) { Parameters = { new NpgsqlParameter<DateTimeOffset> { TypedValue = now }, new NpgsqlParameter<int> { TypedValue = limit } } } },
        };
        return await ReadAsync(batch, cancellation);
    }

    /// <summary>What is known of an order, unlocked; null when it is not known.</summary>
    public async Task<TState?> FindAsync(NpgsqlConnection connection, string orderId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT state::text FROM {table} WHERE order_id = $1", connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = Guid.Parse(orderId) } } };
        return await command.ExecuteScalarAsync(cancellation) is string state ? Read(state) : null;
    }

    /// <summary>Writes locked rows.</summary>
    public async Task UpdateAsync(NpgsqlConnection connection, IReadOnlyList<(TState State, string? TraceParent)> rows, CancellationToken cancellation)
    {
        if (rows.Count == 0)
        {
            return;
        }
        var states = rows.Select(row => row.State).ToList();
        await using var command = new NpgsqlCommand(_update, connection)
        {
            Parameters =
            {
                Ids(states), Names(states), Sequences(states),
                new NpgsqlParameter<DateTimeOffset?[]> { TypedValue = [.. states.Select(state => state.DueAt)] },
                new NpgsqlParameter<string?[]> { TypedValue = [.. rows.Select(row => row.TraceParent)] },
                Documents(states),
            },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task<SagaBatch<TState>> ReadAsync(NpgsqlBatch batch, CancellationToken cancellation)
    {
        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        var rows = new List<(TState, string?)>();
        while (await reader.ReadAsync(cancellation))
        {
            rows.Add((Read(reader.GetString(0)), reader.IsDBNull(1) ? null : reader.GetString(1)));
        }
        return new SagaBatch<TState>(rows);
    }

    private static TState Read(string state) => JsonSerializer.Deserialize<TState>(state, PlatformJson.Options)!;

    private static NpgsqlParameter<Guid[]> Ids(List<TState> states) => new() { TypedValue = [.. states.Select(state => Guid.Parse(state.OrderId))] };

    private static NpgsqlParameter<string[]> Names(List<TState> states) => new() { TypedValue = [.. states.Select(state => state.StatusName)] };

    private static NpgsqlParameter<int[]> Sequences(List<TState> states) => new() { TypedValue = [.. states.Select(state => state.Sequence)] };

    private static NpgsqlParameter<string[]> Documents(List<TState> states) =>
        new() { TypedValue = [.. states.Select(state => JsonSerializer.Serialize(state, PlatformJson.Options))], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb };
}
