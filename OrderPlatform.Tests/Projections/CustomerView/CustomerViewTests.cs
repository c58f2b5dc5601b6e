using System.Text;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.CustomerView;
using OrderPlatform.Tests.Relay;
using OrderPlatform.Tests.Relay.Tables;

namespace OrderPlatform.Tests.Projections.CustomerView;

/// <summary>The customer view from the table to its end, and what takes it back nowhere.</summary>
public sealed class CustomerViewTests(EngineFixture engines)
{
    private const string Customer = """{"id":"c-1","name":"AQ==","email":"Ag==","phone":null,"address":null,"version":1,"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00.5Z"}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_view_is_the_table_and_read_again_from_the_beginning_no_row_is_touched()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await using var views = await ViewsDatabase.CreateAsync(engines);
        await bed.ExecuteAsync(@"INSERT INTO customers SELECT 'c-' || n, '\x01aa', '\x02bb', NULL, '\x03', 1, now(), now() FROM generate_series(1, 500) AS n");
        await using var relay = bed.Relay(("Relay__SnapshotChunk", "50"));
        using var consumer = await views.ConsumeAsync(bed);
        await bed.PublishedAsync();
        await bed.ExecuteAsync(@"UPDATE customers SET email = '\x04', phone = '\x05', version = 2, updated_at = now() WHERE id LIKE 'c-1%'");
        await bed.ExecuteAsync("DELETE FROM customers WHERE id LIKE 'c-2%'");
        await bed.ExecuteAsync("UPDATE customers SET id = id || '-new' WHERE id LIKE 'c-3%'");
        await bed.ExecuteAsync(@"INSERT INTO customers VALUES ('c-2', '\x06', '\x07', NULL, NULL, 1, now(), now())");
        await bed.PublishedAsync();
        await ShouldBeTheTableAsync(bed, views);

        var before = await views.RowsAsync("SELECT id || ' ' || xmin FROM customer_view");
        await PostgresProgress.ResetAsync(views, CustomerViewProjection.Projection, Enumerable.Range(0, Topics.Partitions).ToDictionary(partition => partition, _ => 0L), Cancellation);
        await bed.ExecuteAsync("UPDATE customers SET version = 3 WHERE id = 'c-1'"); // what the consumer notices by
        await ShouldBeTheTableAsync(bed, views);

        await RelayBed.EventuallyAsync(async () => (await views.RowsAsync("SELECT sum(next_offset)::text FROM projection_progress")).Single() == $"{(await bed.RecordsAsync(CapturedTables.Customers)).Count}", "the end of the topic, again");
        var after = await views.RowsAsync("SELECT id || ' ' || xmin FROM customer_view");
        after.Except(before).Select(row => row.Split(' ')[0]).ShouldBe(["c-1"]);
    }

    [Fact]
    public async Task What_comes_late_or_twice_takes_nothing_back()
    {
        await using var views = await ViewsDatabase.CreateAsync(engines);

        await WriteAsync(views, [(0, "c", 20, 21)], [(0, "r", 10, 0)], [(0, "d", 20, 15)]);
        (await views.RowsAsync("SELECT id || deleted || commit_lsn || '/' || lsn FROM customer_view")).ShouldBe(["c-1false20/21"]);

        await WriteAsync(views, [(0, "d", 30, 31)], [(0, "c", 20, 21)]);
        (await views.RowsAsync("SELECT id || deleted || (name IS NULL) FROM customer_view")).ShouldBe(["c-1truetrue"]);

        await WriteAsync(views, [(0, "c", 40, 5)]); // its own place is before the delete's, its commit is not
        (await views.RowsAsync("SELECT id || deleted FROM customer_view")).ShouldBe(["c-1false"]);
    }

    [Fact]
    public async Task A_truncate_takes_away_what_was_before_it_in_whatever_order_the_partitions_come()
    {
        await using var views = await ViewsDatabase.CreateAsync(engines);

        await WriteAsync(views, [(0, "c", 20, 21)], [(1, "t", 30, 31)], [(0, "u", 25, 26)]);
        (await views.RowsAsync("SELECT id FROM customer_view")).ShouldBeEmpty();

        await WriteAsync(views, [(0, "c", 40, 41)], [(1, "t", 30, 31)], [(1, "t", 25, 25), (0, "u", 42, 43)]);
        (await views.RowsAsync("SELECT commit_lsn::text FROM customer_view")).ShouldBe(["42"]);
    }

    private static async Task ShouldBeTheTableAsync(TablesBed bed, NpgsqlDataSource views)
    {
        const string Columns = "id || ' ' || encode(name, 'hex') || encode(email, 'hex') || coalesce(encode(phone, 'hex'), '-') || coalesce(encode(address, 'hex'), '-') || ' ' || version || extract(epoch FROM created_at) || ' ' || extract(epoch FROM updated_at)";
        var customers = await bed.Database.Source.RowsAsync($"SELECT {Columns} FROM customers");
        List<string> seen = [];
        await RelayBed.EventuallyAsync(async () => (seen = await views.RowsAsync($"SELECT {Columns} FROM customer_view WHERE NOT deleted")).ToHashSet().SetEquals(customers), $"the view to be the table's {customers.Count} rows");
        seen.Count.ShouldBe(customers.Count);
    }

    // each batch as a consumer gives it; the offsets go on
    private static async Task WriteAsync(NpgsqlDataSource views, params (int Partition, string Op, long Commit, long Lsn)[][] batches)
    {
        var sink = new CustomerViewProjection(views);
        var next = (await sink.ResumeAsync([new(Topics.CustomerRows, 0), new(Topics.CustomerRows, 1)], Cancellation)).ToDictionary();
        foreach (var batch in batches)
        {
            await sink.WriteAsync([.. batch.Select(change =>
            {
                var partition = new TopicPartition(Topics.CustomerRows, change.Partition);
                var (before, after) = change.Op switch { "d" => ("""{"id":"c-1"}""", "null"), "t" => ("null", "null"), _ => ("null", Customer) };
                var value = $$"""{"before":{{before}},"after":{{after}},"source":{"ts_us":1769860800123456,"sequence":"[\"{{change.Commit}}\",\"{{change.Lsn}}\"]"},"op":"{{change.Op}}"}""";
                var message = new Message<byte[], byte[]> { Key = change.Op == "t" ? null! : """{"id":"c-1"}"""u8.ToArray(), Value = Encoding.UTF8.GetBytes(value), Timestamp = new Timestamp(DateTimeOffset.UnixEpoch) };
                return sink.Read(new ConsumeResult<byte[], byte[]> { TopicPartitionOffset = new TopicPartitionOffset(partition, next[partition]++), Message = message });
            })], Cancellation);
        }
    }
}
