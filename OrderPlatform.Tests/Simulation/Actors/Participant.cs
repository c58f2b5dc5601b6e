using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>A participant of the saga (Api/Saga/Participant): progress, inbox, effects and events in one transaction.</summary>
internal abstract class Participant(World world, string consumer, string replica, params IReadOnlyList<Type> handled)
    : TransactionalConsumer(world, consumer, replica, [.. EventTypes.All.Where(type => handled.Contains(type.Payload)).Select(type => type.Topic).Distinct()])
{
    protected override IEnumerable<Turn> Write(Transaction transaction, IReadOnlyList<KafkaRecord> batch)
    {
        var fresh = new List<KafkaRecord>();
        foreach (var message in batch.Where(message => handled.Contains(message.Event.GetType())))
        {
            var key = $"{Consumer} {message.Id}";
            while (!transaction.TryLock(World.Inbox, key))
            {
                yield return Turn.Idle;
            }
            if (!transaction.Get(World.Inbox, key) || World.Bug is Bug.InboxOmitted or Bug.InboxTrustedAndOmitted)
            {
                transaction.Set(World.Inbox, key, true);
                fresh.Add(message);
            }
        }
        yield return Turn.Did;
        foreach (var turn in Handle(transaction, fresh))
        {
            yield return turn;
        }
    }

    /// <summary>Writes the effects of messages that were never taken before.</summary>
    protected abstract IEnumerable<Turn> Handle(Transaction transaction, IReadOnlyList<KafkaRecord> messages);
}
