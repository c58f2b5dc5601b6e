using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>
/// orders_analytics -> ClickHouse (SalesFacts/SalesFactsProjection, decision 7): an insert is planned in PostgreSQL together with
/// the progress, done under a token of its own, and said to be done; whatever breaks off is finished by the next who comes.
/// </summary>
internal sealed class SalesFactsSink(World world, string replica) : Actor(world, replica)
{
    /// <summary>Its name in the table of progress, and the key of its plan.</summary>
    public const string ConsumerName = "sales-facts";

    private const int MaxBatch = 4;

    private readonly IReadOnlyList<Partition> _partitions = world.Kafka.PartitionsOf([Topics.OrdersAnalytics]);
    private readonly Dictionary<Partition, long> _progress = [];
    private bool _isLost;
    private int _attempts;

    private FactsPlan Plan => World.FactsPlan.Find(ConsumerName) ?? FactsPlan.Beginning;

    protected override IEnumerable<Turn> Run()
    {
        _isLost = false;
        foreach (var turn in Settle())
        {
            yield return turn;
        }
        if (!World.ClickHouse.IsWhole(Plan.Facts) && World.Bug != Bug.InsertWithoutPlan)
        {
            foreach (var turn in Rebuild(Plan))
            {
                yield return turn;
            }
            yield break;
        }
        var generation = Plan.Generation;
        foreach (var partition in _partitions)
        {
            _progress[partition] = World.Progress.Find(TransactionalConsumer.ProgressOf(ConsumerName, partition));
        }
        yield return Turn.Did;
        while (true)
        {
            foreach (var turn in Plan.Pending is null ? [] : Settle())
            {
                yield return turn;
            }
            var before = Plan;
            if (before.Pending is not null)
            {
                continue;
            }
            if (before.Generation != generation)
            {
                yield break;
            }
            if (World.ClickHouse.Facts.Count != before.Facts && World.Bug != Bug.InsertWithoutPlan)
            {
                foreach (var turn in Rebuild(before))
                {
                    yield return turn;
                }
                yield break;
            }
            var (batch, moved) = Feed.Collect(World.Random, _progress, MaxBatch);
            if (batch.Count == 0)
            {
                yield return Turn.Idle;
                continue;
            }
            yield return Turn.Did;
            var facts = WithoutRepeats(batch);
            yield return Turn.Did;
            foreach (var turn in World.Bug == Bug.InsertWithoutPlan ? InsertAtOnce(facts, moved) : Write(before, facts, moved))
            {
                yield return turn;
            }
            if (_isLost)
            {
                yield break;
            }
        }
    }

    // SettledAsync: a pending plan is finished before anything else is inserted; its records come from Kafka, whoever planned them
    private IEnumerable<Turn> Settle()
    {
        while (Plan is { Pending: { } pending } plan)
        {
            yield return Turn.Did;
            if (pending.Facts is null)
            {
                World.ClickHouse.Truncate();
                Trace?.Say(Name, "empties ClickHouse");
            }
            else if (!Insert(plan.Token, pending.Facts))
            {
                continue;
            }
            yield return Turn.Did;
            // a kill can leave the token without the data: then this insert was dropped
            foreach (var turn in World.ClickHouse.IsWhole(plan.Facts + pending.Count) ? Finish(plan) : Rebuild(plan))
            {
                yield return turn;
            }
        }
    }

    private IEnumerable<Turn> Write(FactsPlan before, IReadOnlyList<KafkaRecord> facts, IReadOnlyDictionary<Partition, long> moved)
    {
        var planned = before with { Number = before.Number + 1, Pending = new PendingInsert(facts), RecordedAt = World.Now };
        using (var transaction = World.Postgres.Begin())
        {
            while (!transaction.TryLock(World.FactsPlan, ConsumerName))
            {
                yield return Turn.Idle;
            }
            if ((transaction.Get(World.FactsPlan, ConsumerName) ?? FactsPlan.Beginning) != before)
            {
                yield break; // somebody else has recorded one: look again
            }
            transaction.Set(World.FactsPlan, ConsumerName, planned);
            foreach (var turn in MoveProgress(transaction, moved))
            {
                yield return turn;
            }
            if (_isLost)
            {
                yield break;
            }
            yield return Turn.Did;
            transaction.Commit();
        }
        Trace?.Say(Name, $"plans insert {planned.Token}: {string.Join(", ", facts)}");
        foreach (var (partition, next) in moved)
        {
            _progress[partition] = next;
        }
        yield return Turn.Did;
        if (Insert(planned.Token, facts))
        {
            yield return Turn.Did;
            foreach (var turn in Finish(planned))
            {
                yield return turn;
            }
        }
    }

    private IEnumerable<Turn> InsertAtOnce(IReadOnlyList<KafkaRecord> facts, IReadOnlyDictionary<Partition, long> moved)
    {
        while (!Insert($"{Name} {++_attempts}", facts))
        {
            yield return Turn.Did;
        }
        yield return Turn.Did;
        using var transaction = World.Postgres.Begin();
        foreach (var turn in MoveProgress(transaction, moved))
        {
            yield return turn;
        }
        if (!_isLost)
        {
            transaction.Commit();
            foreach (var (partition, next) in moved)
            {
                _progress[partition] = next;
            }
        }
    }

    // PostgresProgress.MoveAsync: only from where this consumer left it
    private IEnumerable<Turn> MoveProgress(Transaction transaction, IReadOnlyDictionary<Partition, long> moved)
    {
        foreach (var (partition, next) in moved)
        {
            var key = TransactionalConsumer.ProgressOf(ConsumerName, partition);
            while (!transaction.TryLock(World.Progress, key))
            {
                yield return Turn.Idle;
            }
            if (transaction.Get(World.Progress, key) != _progress[partition])
            {
                _isLost = true;
                yield break;
            }
            transaction.Set(World.Progress, key, next);
        }
    }

    private bool Insert(string token, IReadOnlyList<KafkaRecord> facts)
    {
        Trace?.Say(Name, $"inserts {token}");
        return World.ClickHouse.Insert(token, [.. facts.Select(record => (record.Key, record.Sequence, (SalesFact)record.Event))]);
    }

    // PlanStore.FinishAsync: forgotten by a kill, it is said once more
    private IEnumerable<Turn> Finish(FactsPlan done)
    {
        using var transaction = World.Postgres.Begin();
        while (!transaction.TryLock(World.FactsPlan, ConsumerName))
        {
            yield return Turn.Idle;
        }
        if (transaction.Get(World.FactsPlan, ConsumerName) == done)
        {
            transaction.Set(World.FactsPlan, ConsumerName, done with { Pending = null, Facts = done.Facts + done.Pending!.Count });
            transaction.Commit(synchronously: false);
            Trace?.Say(Name, $"has finished {done.Token}");
        }
        yield return Turn.Did;
    }

    // PlanStore.TryRecordRebuildAsync: a new generation, from the beginning of the topic
    private IEnumerable<Turn> Rebuild(FactsPlan found)
    {
        using var transaction = World.Postgres.Begin();
        while (!transaction.TryLock(World.FactsPlan, ConsumerName))
        {
            yield return Turn.Idle;
        }
        if ((transaction.Get(World.FactsPlan, ConsumerName) ?? FactsPlan.Beginning) != found)
        {
            yield break;
        }
        transaction.Set(World.FactsPlan, ConsumerName, new FactsPlan(found.Generation + 1, found.Number + 1, 0, new PendingInsert(Facts: null), World.Now));
        foreach (var partition in _partitions)
        {
            var key = TransactionalConsumer.ProgressOf(ConsumerName, partition);
            while (!transaction.TryLock(World.Progress, key))
            {
                yield return Turn.Idle;
            }
            transaction.Set(World.Progress, key, 0);
        }
        transaction.Commit();
        Trace?.Say(Name, "begins a rebuild");
        yield return Turn.Did;
    }

    private List<KafkaRecord> WithoutRepeats(IReadOnlyList<KafkaRecord> batch)
    {
        var last = batch.Select(record => record.Key).Distinct().ToDictionary(id => id, World.ClickHouse.LastSequence);
        return [.. batch.Where(record => last.TakeNew(record.Key, record.Sequence, out _) || World.Bug == Bug.RepeatsTaken)];
    }
}
