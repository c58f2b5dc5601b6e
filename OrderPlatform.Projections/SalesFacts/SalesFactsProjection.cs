using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>
/// orders_analytics -> ClickHouse, each fact exactly once: an insert is planned in PostgreSQL, done, and said to be done;
/// whatever breaks off in between is finished by the next who comes. docs/decisions/0007 goes through every crash.
/// </summary>
public sealed class SalesFactsProjection : ISink
{
    /// <summary>Its name: the consumer group, and the key of its rows in PostgreSQL.</summary>
    public const string ProjectionName = RebuildableProjections.SalesFacts;

    // another consumer's plan is left to it for this long: an insert takes a few hundredths of a second
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly ILogger _log;
    private readonly FactsTable _facts;
    private readonly PlanStore _plans;
    private readonly PlannedRecords _planned;
    private readonly Dictionary<TopicPartition, long> _progress = [];
    private Guid _generation;

    /// <param name="topic">Where the facts come from.</param>
    public SalesFactsProjection(
        [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, ClickHouseClient clickHouse, IConfiguration configuration, ILogger<SalesFactsProjection> log, string topic = Contracts.Topics.OrdersAnalytics)
        : this(ProjectionName, views, clickHouse, new PlannedRecords(configuration, topic), topic, log)
    {
    }

    /// <summary>One with a database, a plan and a progress of its own.</summary>
    internal SalesFactsProjection(string name, NpgsqlDataSource views, ClickHouseClient clickHouse, PlannedRecords planned, string topic, ILogger log)
    {
        _log = log;
        _facts = new FactsTable(clickHouse);
        _plans = new PlanStore(views, name);
        _planned = planned;
        Name = name;
        Topics = [topic];
    }

    /// <inheritdoc />
    public string Name { get; }

    /// <inheritdoc />
    public string? Store => "clickhouse";

    /// <inheritdoc />
    public IReadOnlyList<string> Topics { get; }

    /// <inheritdoc />
    public int MaxBatch { get; init; } = 10_000;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(100); // each insert makes a part in five tables: fewer, larger ones are cheaper

    /// <summary>Called after each step of a write: where tests break it off.</summary>
    public Action<WriteStep> Reached { get; set; } = _ => { };

    /// <inheritdoc />
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = 0;
        }
        var state = await SettledAsync(cancellation);
        while (!await _facts.IsWholeAsync(state.Facts, cancellation))
        {
            await RebuildAsync(state, cancellation);
            state = await SettledAsync(cancellation);
        }
        _generation = state.Generation;
        var progress = await _plans.ProgressAsync(cancellation);
        foreach (var partition in partitions)
        {
            _progress[partition] = progress.GetValueOrDefault(partition);
        }
        return _progress;
    }

    /// <inheritdoc />
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        while (true)
        {
            var before = await SoundAsync(cancellation);
            // an earlier try of this batch may have come as far as its plan, which is settled by now
            var records = batch.Where(record => record.Source.Offset >= _progress[record.Source.TopicPartition])
                .OrderBy(record => record.Source.Partition.Value).ThenBy(record => record.Source.Offset.Value).ToList();
            if (records.Count == 0)
            {
                return;
            }
            var repeats = await RepeatsAsync(records, cancellation);
            Reached(WriteStep.LookedUp);
            // before it is planned: a plan must be finished, so nothing that is no fact may get into it
            var rows = FactRows.Of(before.Number + 1, [.. records.Where(record => !repeats.Contains(record))]);
            if (await _plans.TryRecordAsync(before, Plan.Insert(records, repeats), records, _progress, cancellation) is { } planned)
            {
                Reached(WriteStep.Recorded);
                await InsertAsync(planned, rows, cancellation);
                await _plans.FinishAsync(planned, cancellation);
                Reached(WriteStep.Finished);
                return;
            }
        }
    }

    /// <inheritdoc />
    public Task CaughtUpAsync(IReadOnlyList<TopicPartition> partitions, DateTimeOffset until, CancellationToken cancellation) => SoundAsync(cancellation);

    // nothing pending, and ClickHouse holds what was written: else nothing may be planned on it
    private async Task<PlanState> SoundAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var state = await SettledAsync(cancellation);
            if (state.Generation != _generation)
            {
                throw new ProgressLostException("The sales facts are being rebuilt from the beginning.");
            }
            if (await _facts.CountAsync(cancellation) == state.Facts)
            {
                return state;
            }
            await RebuildAsync(state, cancellation);
        }
    }

    // A plan that cannot be left to its maker is finished before anything else is inserted.
    private async Task<PlanState> SettledAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var state = await _plans.LoadAsync(cancellation);
            if (state.Pending is not { } pending)
            {
                return state;
            }
            if (IsOurs(pending) || state.PendingFor > Patience)
            {
                await FinishAsync(state, pending, cancellation);
            }
            else
            {
                await Task.Delay(Poll, cancellation);
            }
        }
    }

    // its maker has lost the partitions, by dying or by a rebalance; or it was us, and the insert failed
    private bool IsOurs(Plan pending) => pending.IsRebuild || pending.Ranges.Any(range => _progress.ContainsKey(new TopicPartition(Topics[0], range.Partition)));

    private async Task FinishAsync(PlanState state, Plan pending, CancellationToken cancellation)
    {
        if (pending.IsRebuild)
        {
            await _facts.TruncateAsync(cancellation);
            Reached(WriteStep.Emptied);
        }
        else if (pending.Shadow is { } shadow)
        {
            await _facts.ReplaceByAsync(shadow, cancellation);
        }
        else
        {
            SalesFactsLog.FinishingPlan(_log, state.Number, pending.Facts);
            await InsertAsync(state, FactRows.Of(state.Number, await _planned.ReadAsync(pending, cancellation)), cancellation);
        }
        // a kill can leave the token in ClickHouse and not the data (docs/decisions/0007): then this insert was dropped
        if (await _facts.IsWholeAsync(state.Facts + pending.Facts, cancellation))
        {
            await _plans.FinishAsync(state, cancellation);
        }
        else
        {
            await RebuildAsync(state, cancellation);
        }
    }

    private async Task InsertAsync(PlanState planned, ReadOnlyMemory<byte> rows, CancellationToken cancellation)
    {
        if (rows.IsEmpty)
        {
            return;
        }
        try
        {
            await _facts.InsertAsync(planned.Token, rows, cancellation);
        }
        catch (ClickHouseException e) when (Poison.IsIn(e))
        {
            // It would refuse the same rows for ever. What it may have taken of them nevertheless makes its count differ: then all is rebuilt.
            await _plans.TakeBackAsync(planned, Topics[0], _progress, cancellation);
            throw;
        }
        Reached(WriteStep.Inserted);
    }

    // Returns when somebody else was quicker: the state is looked at again then.
    private async Task RebuildAsync(PlanState found, CancellationToken cancellation)
    {
        if (!await _planned.AreCompleteAsync(Enumerable.Range(0, Contracts.Topics.Partitions), cancellation))
        {
            throw new InvalidOperationException(
                $"ClickHouse does not hold the {found.Facts} sales facts that were written to it, and {Topics[0]} does not go back to its beginning. Rebuild them from the event log: POST /operations/rebuilds.");
        }
        if (await _plans.TryRecordRebuildAsync(found, cancellation))
        {
            SalesFactsLog.Rebuilding(_log, found.Facts + (found.Pending?.Facts ?? 0));
            throw new ProgressLostException("ClickHouse does not hold the sales facts that were written to it: they are rebuilt from the beginning.");
        }
    }

    private async Task<HashSet<Record>> RepeatsAsync(List<Record> records, CancellationToken cancellation)
    {
        var last = await _facts.LastSequencesAsync(records.Select(record => record.Key), cancellation);
        return new HashSet<Record>(records.Where(record => !last.TakeNew(record, Name, _log)), ReferenceEqualityComparer.Instance);
    }
}

/// <summary>The steps of a write. A crash between any two of them is tested.</summary>
public enum WriteStep
{
    /// <summary>Repeats are known.</summary>
    LookedUp,

    /// <summary>The plan and the progress are committed in PostgreSQL.</summary>
    Recorded,

    /// <summary>ClickHouse has taken the insert.</summary>
    Inserted,

    /// <summary>The plan is said to be done.</summary>
    Finished,

    /// <summary>ClickHouse's tables are empty, for a rebuild.</summary>
    Emptied,
}
