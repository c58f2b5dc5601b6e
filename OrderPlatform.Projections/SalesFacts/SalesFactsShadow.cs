using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>
/// The sales facts in a second database, written as the live ones are. The swap is a plan like any other (decision 7): recorded in
/// PostgreSQL together with the shadow's progress, then done, table by table, then said to be done; whoever comes next finishes it.
/// </summary>
internal sealed class SalesFactsShadow : IShadow
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly NpgsqlDataSource _views;
    private readonly FactsTable _live;
    private readonly FactsTable _shadow;
    private readonly PlanStore _livePlans;
    private readonly PlanStore _plans;
    private readonly string _name;
    private readonly string _database;

    public SalesFactsShadow(NpgsqlDataSource views, ClickHouseClient clickHouse, PlannedRecords planned, string topic, ILogger<SalesFactsProjection> log, Guid rebuild)
    {
        _views = views;
        _name = $"{RebuildableProjections.SalesFacts}#{rebuild:N}";
        _database = $"{clickHouse.Connection.Database}_rebuild_{rebuild:N}";
        (_live, _livePlans) = (new FactsTable(clickHouse), new PlanStore(views, RebuildableProjections.SalesFacts));
        (_shadow, _plans) = (new FactsTable(clickHouse.In(_database)), new PlanStore(views, _name));
        Sink = new SalesFactsProjection(_name, views, clickHouse.In(_database), planned, topic, log) { MaxBatch = 50_000 };
    }

    public ISink Sink { get; }

    public Task CreateAsync(CancellationToken cancellation) => _live.CopyToAsync(_database, cancellation);

    public Task FlushAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task SkipToAsync(IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation) => PostgresProgress.SkipToAsync(_views, _name, Sink.Topics[0], offsets, cancellation);

    public Task CompleteAsync(CancellationToken cancellation) => Task.CompletedTask;

    public async Task<StoreSummary> SummarizeLiveAsync(CancellationToken cancellation)
    {
        var (number, offsets, sums) = await HoldAsync(async (_, number, offsets) => (number, offsets, await _live.HashOfSumsAsync(cancellation)), cancellation);
        // the facts tell their plans themselves: what is added from now on does not count
        return await SummarizeAsync(_live, number, sums, offsets, cancellation);
    }

    public async Task<StoreSummary> SummarizeAsync(CancellationToken cancellation)
    {
        var progress = await _plans.ProgressAsync(cancellation);
        var offsets = progress.Where(partition => partition.Key.Partition.Value >= 0).ToDictionary(partition => partition.Key.Partition.Value, partition => partition.Value);
        return await SummarizeAsync(_shadow, long.MaxValue, await _shadow.HashOfSumsAsync(cancellation), offsets, cancellation);
    }

    // the plan and the progress of the shadow go with the swap
    public async Task<bool> IsSwappedAsync(CancellationToken cancellation)
    {
        await using var command = _views.CreateCommand("SELECT NOT EXISTS (SELECT FROM sales_facts_plan WHERE projection = $1)");
        command.Parameters.Add(new() { Value = _name });
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    public async Task<bool> TrySwapAsync(Func<IReadOnlyDictionary<int, long>, Task> advanceAsync, CancellationToken cancellation)
    {
        await HoldAsync(
            async (connection, _, offsets) =>
            {
                await advanceAsync(offsets);
                await RecordSwapAsync(connection, cancellation);
                return true;
            },
            cancellation);
        await FinishAsync(cancellation);
        return true;
    }

    public async Task DropAsync(CancellationToken cancellation)
    {
        // a swap that is recorded needs the tables until it is done
        await FinishAsync(cancellation);
        await _live.DropCopyAsync(_database, cancellation);
        await using var command = _views.CreateCommand("WITH plan AS (DELETE FROM sales_facts_plan WHERE projection = $1) DELETE FROM projection_progress WHERE projection = $1");
        command.Parameters.Add(new() { Value = _name });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task FinishAsync(CancellationToken cancellation)
    {
        var swap = await _livePlans.LoadAsync(cancellation);
        if (swap.Pending?.Shadow != _database)
        {
            return; // the live consumer was quicker, or nothing was recorded
        }
        await _live.ReplaceByAsync(_database, cancellation);
        if (!await _live.IsWholeAsync(swap.Facts, cancellation))
        {
            throw new InvalidOperationException("ClickHouse does not hold the sales facts that were swapped in. They are swapped in again.");
        }
        await _livePlans.FinishAsync(swap, cancellation);
    }

    // Nothing can be planned while the plan's row is locked: what ClickHouse has is that of the progress. It commits what the work has written.
    private async Task<T> HoldAsync<T>(Func<NpgsqlConnection, long, Dictionary<int, long>, Task<T>> work, CancellationToken cancellation)
    {
        while (true)
        {
            await using (var connection = await _views.OpenConnectionAsync(cancellation))
            await using (var transaction = await connection.BeginTransactionAsync(cancellation))
            {
                await using var command = new NpgsqlCommand("SELECT number FROM sales_facts_plan WHERE projection = $1 AND pending IS NULL FOR UPDATE", connection) { Parameters = { new() { Value = RebuildableProjections.SalesFacts } } };
                if (await command.ExecuteScalarAsync(cancellation) is long number)
                {
                    var progress = await PostgresProgress.LoadAsync(connection, RebuildableProjections.SalesFacts, cancellation);
                    var done = await work(connection, number, progress.ToDictionary(partition => partition.Key.Partition.Value, partition => partition.Value));
                    await transaction.CommitAsync(cancellation);
                    return done;
                }
            }
            await Task.Delay(Poll, cancellation);
        }
    }

    // a new generation, so that the live consumer starts over and no token is used twice
    private async Task RecordSwapAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(
                    """
                    WITH own AS (DELETE FROM sales_facts_plan WHERE projection = $2 AND pending IS NULL RETURNING generation, number, facts)
                    UPDATE sales_facts_plan AS live SET generation = own.generation, number = greatest(live.number, own.number) + 1, facts = own.facts, pending = $3, recorded_at = now()
                    FROM own WHERE live.projection = $1
                    """)
                {
                    Parameters =
                    {
                        new() { Value = RebuildableProjections.SalesFacts }, new() { Value = _name },
                        new() { Value = JsonSerializer.SerializeToUtf8Bytes(Plan.Swap(_database), PlatformJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb },
                    },
                },
                new("DELETE FROM projection_progress WHERE projection = $1 OR (projection = $2 AND partition < 0)") { Parameters = { new() { Value = RebuildableProjections.SalesFacts }, new() { Value = _name } } },
                new("UPDATE projection_progress SET projection = $1 WHERE projection = $2") { Parameters = { new() { Value = RebuildableProjections.SalesFacts }, new() { Value = _name } } },
            },
        };
        await batch.ExecuteNonQueryAsync(cancellation);
        if (batch.BatchCommands[0].RecordsAffected != 1)
        {
            throw new ProgressLostException("Another process goes on with the rebuild of the sales facts.");
        }
    }

    private static async Task<StoreSummary> SummarizeAsync(FactsTable table, long plan, string sums, IReadOnlyDictionary<int, long> offsets, CancellationToken cancellation)
    {
        var (count, amount, hash) = await table.SummarizeAsync(plan, cancellation);
        return new StoreSummary(offsets, count, amount, $"{hash} {sums}");
    }
}
