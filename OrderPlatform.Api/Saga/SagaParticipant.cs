using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;

namespace OrderPlatform.Api.Saga;

/// <summary>A participant that keeps a state of each order and acts by itself when one is due. Its decisions are pure; this is the storage around them.</summary>
internal abstract class SagaParticipant<TState>(string name, string table, NpgsqlDataSource source, TimeProvider clock, params IReadOnlyList<Type> handled)
    : Participant(name, source, handled), ITimed
    where TState : class, ISagaState<TState>
{
    /// <summary>Orders of one transaction.</summary>
    protected const int MaxDue = 100;

    protected SagaTable<TState> Table { get; } = new(table);

    /// <summary>The time, as precise as it is stored.</summary>
    protected DateTimeOffset Now => clock.GetUtcNow().Truncated();

    /// <inheritdoc />
    public abstract Task<bool> TickAsync(CancellationToken cancellation);

    /// <summary>What a message makes of a state.</summary>
    protected abstract Decision<TState> On(TState before, Message message, DateTimeOffset now);

    /// <summary>What else a transaction writes, beside the states that it has changed.</summary>
    protected virtual Task BookAsync(NpgsqlConnection connection, SagaBatch<TState> batch, DateTimeOffset now, CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc />
    protected override async Task HandleAsync(NpgsqlConnection connection, IReadOnlyList<Record> messages, CancellationToken cancellation)
    {
        var now = Now;
        var batch = await Table.LockAsync(connection, messages.Select(message => message.Key), cancellation);
        foreach (var message in messages)
        {
            batch.Decide(message.Key, before => On(before, new Message(message.Read<object>(), message.Sequence), now), now, message.TraceParent);
        }
        await BookAsync(connection, batch, now, cancellation);
        await batch.SaveAsync(connection, Table, cancellation);
    }

    /// <summary>Decides on the orders that are due, in one transaction.</summary>
    /// <returns>What is known of them now.</returns>
    protected async Task<IReadOnlyList<TState>> OnDueAsync(int limit, Func<NpgsqlConnection, SagaBatch<TState>, DateTimeOffset, Task> decide, CancellationToken cancellation)
    {
        var now = Now;
        await using var connection = await Source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var batch = await Table.LockDueAsync(connection, now, limit, cancellation);
        if (batch.States.Count > 0)
        {
            await decide(connection, batch, now);
            await batch.SaveAsync(connection, Table, cancellation);
            await transaction.CommitAsync(cancellation);
        }
        return batch.States;
    }
}
