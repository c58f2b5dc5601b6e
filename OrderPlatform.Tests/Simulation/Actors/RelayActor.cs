using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>relay_lease: who may publish.</summary>
/// <param name="Backend">The connection that publishes: a successor ends it.</param>
internal sealed record LeaseRow(long Epoch, DateTimeOffset HeartbeatAt, RelayActor? Backend);

/// <summary>relay_checkpoint (Relay/Reading/Checkpoint): all that From shows is published; of what To shows beyond that, everything up to Position.</summary>
internal sealed record LogCheckpoint(Snapshot From, Snapshot? To, long Position)
{
    public static LogCheckpoint Beginning { get; } = new(Snapshot.Empty, null, 0);

    /// <summary>Whether it says that the event is published.</summary>
    public bool Covers(LoggedRow row) => From.Shows(row.TransactionId) || (To?.Shows(row.TransactionId) == true && row.Position <= Position);

    public override string ToString() => To is null ? $"all that {From} shows" : $"all that {From} shows, and to position {Position} what {To} shows";
}

/// <summary>The relay (Relay/PollingRelay): takes the lease, then reads and sends ahead of the acknowledgements, and moves the checkpoint to what is acknowledged.</summary>
internal sealed class RelayActor(World world, string name) : Actor(world, name)
{
    /// <summary>The one row of the tables.</summary>
    public const string Row = "polling";

    private const int BatchSize = 3;
    private const int MaxUnderWay = 3;
    private static readonly TimeSpan LeaseTimeout = TimeSpan.FromSeconds(3);

    private bool _isTerminated;
    private long _epoch;
    private DateTimeOffset _beatAt;

    protected override IEnumerable<Turn> Run()
    {
        while (!TryTakeLease())
        {
            yield return Turn.Idle;
        }
        yield return Turn.Did;
        var done = World.Checkpoint.Find(Row) ?? LogCheckpoint.Beginning;
        var (read, isUnsaved, seen) = (done, false, -1);
        var underWay = new Queue<(List<KafkaRecord> Records, LogCheckpoint After)>();
        using var producer = World.Kafka.NewProducer();
        while (true)
        {
            if (!TryBeat() || _isTerminated)
            {
                yield break;
            }
            if (producer.HasFailed)
            {
                Trace?.Say(Name, "misses an acknowledgement, and starts over");
                yield break;
            }
            while (underWay.TryPeek(out var oldest) && oldest.Records.TrueForAll(producer.HasTaken))
            {
                (done, isUnsaved) = (underWay.Dequeue().After, true);
            }
            // under load it is saved only now and then
            if (isUnsaved && (underWay.Count == 0 || World.Random.Next(3) == 0))
            {
                yield return Turn.Did;
                if (!TrySave(done))
                {
                    yield break;
                }
                isUnsaved = false;
                yield return Turn.Did;
            }
            if (underWay.Count == MaxUnderWay || World.Postgres.Log.Count == seen)
            {
                yield return Turn.Idle;
                continue;
            }
            var isWindowOpen = read.To is not null;
            var (events, after) = Read(read);
            read = after;
            if (events.Count == 0)
            {
                seen = isWindowOpen ? -1 : World.Postgres.Log.Count; // until something is committed, it would read nothing again
                if (underWay.Count == 0)
                {
                    done = read;
                }
                yield return Turn.Idle;
                continue;
            }
            Trace?.Say(Name, $"reads {string.Join(", ", events.Select(row => $"{row.Stream}#{row.Sequence}"))}");
            yield return Turn.Did;
            if (World.Bug == Bug.CheckpointBeforeAcknowledgement && !TrySave(after))
            {
                yield break;
            }
            var records = events.ConvertAll(row => new KafkaRecord(row.Stream, row.Key, row.Sequence, row.Event));
            events.Zip(records).ToList().ForEach(sent => producer.Send(sent.First.Topic, sent.Second));
            underWay.Enqueue((records, after));
            yield return Turn.Did;
        }
    }

    // Ownership/Lease.TryTakeAsync
    private bool TryTakeLease()
    {
        using var transaction = World.Postgres.Begin();
        var isHeld = World.Lease.Find(Row) is { Backend: { } holder } row && row.HeartbeatAt >= World.Now - LeaseTimeout && row.Epoch != _epoch && holder.HasBackend(World.Random);
        if (isHeld || !transaction.TryLock(World.Lease, Row))
        {
            return false;
        }
        var before = transaction.Get(World.Lease, Row);
        if (before?.Backend is { } other && World.Bug != Bug.LeaseWithoutEpoch)
        {
            other._isTerminated = true;
        }
        (_epoch, _beatAt, _isTerminated) = ((before?.Epoch ?? 0) + 1, World.Now, false);
        transaction.Set(World.Lease, Row, new LeaseRow(_epoch, World.Now, this));
        transaction.Commit();
        Trace?.Say(Name, $"takes the lease, epoch {_epoch}");
        return true;
    }

    // A connection may also be cut while its process lives: it finds out later than others do.
    private bool HasBackend(Random random) => IsRunning && !_isTerminated && !(World.IsChaos && random.Next(50) == 0);

    // Its heart beats beside its work: one that was stopped may do some steps before it finds out that its time is over.
    private bool TryBeat()
    {
        if (World.Now - _beatAt < LeaseTimeout / 6 || (World.IsChaos && World.Random.Next(2) == 0))
        {
            return true;
        }
        using var transaction = World.Postgres.Begin();
        if (World.Now - _beatAt > LeaseTimeout || !transaction.TryLock(World.Lease, Row) || transaction.Get(World.Lease, Row)!.Epoch != _epoch)
        {
            return false;
        }
        transaction.Set(World.Lease, Row, new LeaseRow(_epoch, World.Now, this));
        transaction.Commit();
        _beatAt = World.Now;
        return true;
    }

    // Reading/CheckpointStore.SaveAsync
    private bool TrySave(LogCheckpoint done)
    {
        using var transaction = World.Postgres.Begin();
        var isMine = World.Lease.Find(Row)!.Epoch == _epoch && !_isTerminated;
        if ((!isMine && World.Bug != Bug.LeaseWithoutEpoch) || !transaction.TryLock(World.Checkpoint, Row))
        {
            return false;
        }
        World.Promises.CheckpointMoves(World.Checkpoint.Find(Row), done);
        transaction.Set(World.Checkpoint, Row, done);
        transaction.Commit(synchronously: false);
        Trace?.Say(Name, $"saves its checkpoint, {done}");
        return true;
    }

    // Reading/PollingReader.ReadAsync: what one snapshot shows beyond another, by position, a part at a time
    private (List<LoggedRow> Events, LogCheckpoint After) Read(LogCheckpoint done)
    {
        var now = World.Postgres.CurrentSnapshot();
        if (World.Bug == Bug.WindowsByHorizon)
        {
            now = new Snapshot(now.Min, []);
        }
        var to = done.To ?? now;
        var open = World.Bug == Bug.CheckpointByPosition
            ? World.Postgres.Log.Where(row => row.Position > done.Position)
            : World.Postgres.Log.Where(row => row.Position > done.Position && !done.From.Shows(row.TransactionId) && to.Shows(row.TransactionId));
        var events = open.OrderBy(row => row.Position).Take(BatchSize).ToList();
        return (events, World.Bug == Bug.CheckpointByPosition ? done with { Position = events.Count == 0 ? done.Position : events[^1].Position }
            : events.Count == BatchSize ? new LogCheckpoint(done.From, to, events[^1].Position)
            : new LogCheckpoint(to, null, 0));
    }
}
