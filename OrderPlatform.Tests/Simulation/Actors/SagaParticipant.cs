using OrderPlatform.Api.Saga;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>A participant that keeps a state of each order (Api/Saga/SagaParticipant), around the very functions that decide in the platform.</summary>
internal abstract class SagaParticipant<TState>(World world, string consumer, string replica, Table<TState> table, params IReadOnlyList<Type> handled)
    : Participant(world, consumer, replica, handled)
    where TState : class, ISagaState<TState>
{
    protected abstract Decision<TState> On(TState before, Message message);

    protected virtual IEnumerable<Turn> Book(Transaction transaction, SagaBatch<TState> batch, IReadOnlyList<KafkaRecord> messages) => [];

    protected override IEnumerable<Turn> Handle(Transaction transaction, IReadOnlyList<KafkaRecord> messages)
    {
        var ids = messages.Select(message => message.Key).Distinct().Order(StringComparer.Ordinal).ToList();
        foreach (var id in ids)
        {
            while (!transaction.TryLock(table, id))
            {
                yield return Turn.Idle;
            }
        }
        var batch = new SagaBatch<TState>([.. ids.Select(id => (transaction.Get(table, id) ?? TState.New(id), (string?)null))]);
        foreach (var message in messages)
        {
            batch.Decide(message.Key, before => On(before, new Message(message.Event, message.Sequence)), World.Now);
        }
        foreach (var turn in Book(transaction, batch, messages))
        {
            yield return turn;
        }
        batch.Save(transaction, table);
    }
}

/// <summary>How a batch of decisions is written down.</summary>
internal static class SagaBatches
{
    public static void Save<TState>(this SagaBatch<TState> batch, Transaction transaction, Table<TState> table)
        where TState : class, ISagaState<TState>
    {
        foreach (var (_, now) in batch.Changes)
        {
            transaction.Set(table, now.OrderId, now);
        }
        foreach (var happened in batch.Events)
        {
            transaction.Append(happened);
        }
    }
}
