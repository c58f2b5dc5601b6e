using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Tests.Relay;

/// <summary>The order in which the log is read, against transactions that overlap in every way.</summary>
public sealed class PollingReaderTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_early_transaction_that_commits_late_is_not_skipped_and_holds_nobody_up()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var early = await WriterAsync(database);
        await early.AppendAsync("early", 1);
        await using (var late = await WriterAsync(database))
        {
            await late.AppendAsync("late", 1);
            await late.CommitAsync();
        }

        var (before, checkpoint) = await DrainAsync(database, Checkpoint.Beginning);
        await early.CommitAsync();
        var (after, _) = await DrainAsync(database, checkpoint);

        before.ShouldBe(["late 1"]);
        after.ShouldBe(["early 1"]);
    }

    [Fact]
    public async Task A_transaction_that_has_its_id_before_another_and_its_lock_after_it_is_published_after_it()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var first = await WriterAsync(database);
        await first.TakeTransactionIdAsync();
        await using var between = await WriterAsync(database); // stays open: a cut of transaction ids at the oldest open one would part the other two
        await between.TakeTransactionIdAsync();
        await using (var second = await WriterAsync(database))
        {
            await second.AppendAsync("o", 1);
            await second.CommitAsync();
        }
        await first.AppendAsync("o", 2);
        await first.CommitAsync();

        (await DrainAsync(database, Checkpoint.Beginning)).Read.ShouldBe(["o 1", "o 2"]);
    }

    [Fact]
    public async Task A_window_larger_than_a_batch_is_not_disturbed_by_what_commits_meanwhile()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using var early = await WriterAsync(database);
        await early.AppendAsync("early", 1);
        await using (var many = await WriterAsync(database))
        {
            for (var sequence = 1; sequence <= 5; sequence++)
            {
                await many.AppendAsync("many", sequence);
            }
            await many.CommitAsync();
        }
        await using var connection = await database.Source.OpenConnectionAsync(Cancellation);
        var first = await PollingReader.ReadAsync(connection, Checkpoint.Beginning, limit: 2, Cancellation);
        await early.CommitAsync();

        var (rest, _) = await DrainAsync(database, first.After, batchSize: 2);

        first.Events.Select(logged => logged.Sequence).ShouldBe([1, 2]);
        rest.ShouldBe(["many 3", "many 4", "many 5", "early 1"]);
    }

    [Fact]
    public async Task What_is_rolled_back_is_never_read()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await using (var broken = await WriterAsync(database))
        {
            await broken.AppendAsync("never", 1);
        }
        await using (var kept = await WriterAsync(database))
        {
            await kept.AppendAsync("kept", 1);
            await kept.CommitAsync();
        }

        (await DrainAsync(database, Checkpoint.Beginning)).Read.ShouldBe(["kept 1"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public async Task Under_concurrent_writers_every_event_is_read_once_and_each_aggregate_in_order(int batchSize)
    {
        const int Writers = 6;
        const int Transactions = 60;
        const int Aggregates = 5;
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await database.ExecuteAsync($"CREATE TABLE aggregate AS SELECT id::text, 0 AS version FROM generate_series(0, {Aggregates - 1}) AS id", Cancellation);
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");

        var writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var random = new Random(seed + writer);
            for (var i = 0; i < Transactions; i++)
            {
                await using var transaction = await WriterAsync(database);
                if (random.Next(2) == 0)
                {
                    await transaction.TakeTransactionIdAsync();
                }
                foreach (var aggregate in Enumerable.Range(0, Aggregates).Where(_ => random.Next(3) == 0))
                {
                    await transaction.AppendNextAsync($"{aggregate}");
                }
                if (random.Next(5) > 0)
                {
                    await transaction.CommitAsync();
                }
            }
        })));

        var read = new List<string>();
        var checkpoint = Checkpoint.Beginning;
        bool last;
        do
        {
            last = writing.IsCompleted;
            (var more, checkpoint) = await DrainAsync(database, checkpoint, batchSize);
            read.AddRange(more);
        }
        while (!last);
        await writing;

        for (var aggregate = 0; aggregate < Aggregates; aggregate++)
        {
            await using var version = database.Source.CreateCommand($"SELECT version FROM aggregate WHERE id = '{aggregate}'");
            var events = read.Where(text => text.StartsWith($"{aggregate} ", StringComparison.Ordinal)).ToList();
            events.ShouldBe(Enumerable.Range(1, (int)(await version.ExecuteScalarAsync(Cancellation))!).Select(sequence => $"{aggregate} {sequence}"));
        }
    }

    private static async Task<(List<string> Read, Checkpoint Checkpoint)> DrainAsync(OrdersDatabase database, Checkpoint checkpoint, int batchSize = 100)
    {
        await using var connection = await database.Source.OpenConnectionAsync(Cancellation);
        var read = new List<string>();
        while (true)
        {
            var batch = await PollingReader.ReadAsync(connection, checkpoint, batchSize, Cancellation);
            read.AddRange(batch.Events.Select(logged => $"{logged.Key} {logged.Sequence}"));
            checkpoint = batch.After;
            if (batch.Events.Count == 0 && checkpoint.To is null)
            {
                return (read, checkpoint);
            }
        }
    }

    private static async Task<Writer> WriterAsync(OrdersDatabase database)
    {
        var connection = await database.Source.OpenConnectionAsync(Cancellation);
        return new Writer(connection, await connection.BeginTransactionAsync(Cancellation));
    }

    /// <summary>A transaction that writes as the Api does: it takes the aggregate's row, then appends.</summary>
    private sealed class Writer(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
    {
        public Task TakeTransactionIdAsync() => ScalarAsync("SELECT pg_current_xact_id()::text");

        public async Task AppendAsync(string aggregate, int sequence)
        {
            var happened = Order.Place(aggregate, "c-1", "USD", [new OrderItem("p", 1, 1m)], DateTimeOffset.UnixEpoch);
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { EventLogWriter.Append(aggregate, sequence, DateTimeOffset.UnixEpoch, happened) } };
            await batch.ExecuteNonQueryAsync(Cancellation);
        }

        public async Task AppendNextAsync(string aggregate) =>
            await AppendAsync(aggregate, (int)(await ScalarAsync($"UPDATE aggregate SET version = version + 1 WHERE id = '{aggregate}' RETURNING version"))!);

        public Task CommitAsync() => transaction.CommitAsync(Cancellation);

        public async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }

        private async Task<object?> ScalarAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            return await command.ExecuteScalarAsync(Cancellation);
        }
    }
}
