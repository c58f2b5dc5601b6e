using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using OrderPlatform.Contracts;

namespace OrderPlatform.Tests.Relay.Tables;

/// <summary>The changes of tables as a consumer of Debezium's envelope sees them.</summary>
public sealed class TableRelayTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The examples that are committed: docs/table-cdc.</summary>
    [Fact]
    public async Task Each_operation_is_told_in_the_documented_envelope()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ExecuteAsync(@"INSERT INTO customers VALUES ('c-1', '\x01aabb', '\x01ccdd', NULL, NULL, 1, '2026-01-31 12:00:00.123456Z', '2026-01-31 12:00:00.123456Z')");
        await using var relay = bed.Relay();
        await bed.PublishedAsync();
        await bed.ExecuteAsync(@"INSERT INTO customers VALUES ('c-2', '\x01', '\x02', '\x03', '\x04', 1, '2026-01-31T12:00:00Z', '2026-01-31T13:00:00+01:00')");
        await bed.ExecuteAsync(@"UPDATE customers SET name = '\x05', version = 2 WHERE id = 'c-2'");
        await bed.ExecuteAsync("UPDATE customers SET id = 'c-3', version = 3 WHERE id = 'c-2'");
        await bed.ExecuteAsync("DELETE FROM customers WHERE id = 'c-3'");
        await bed.ExecuteAsync("TRUNCATE customers CASCADE");
        await bed.SignalAsync(CapturedTables.Customers);
        await bed.ExecuteAsync(@"INSERT INTO customers VALUES ('c-4', '\x06', '\x07', NULL, NULL, 1, '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z')");
        await bed.PublishedAsync();

        var records = await bed.RecordsAsync(CapturedTables.Customers);
        var byKey = records.ToLookup(record => record.Message.Key is { } key ? Encoding.UTF8.GetString(key) : "");
        byKey["{\"id\":\"c-1\"}"].Select(TablesBed.Op).ShouldBe(["r", "d", null]);
        byKey["{\"id\":\"c-2\"}"].Select(TablesBed.Op).ShouldBe(["c", "u", "d", null]);
        byKey["{\"id\":\"c-3\"}"].Select(TablesBed.Op).ShouldBe(["c", "d", null]);
        byKey[""].Select(TablesBed.Op).ShouldBe(["t"]);
        Header(byKey["{\"id\":\"c-2\"}"].ElementAt(2), "__debezium.newkey").ShouldBe("{\"id\":\"c-3\"}");
        Header(byKey["{\"id\":\"c-3\"}"].First(), "__debezium.oldkey").ShouldBe("{\"id\":\"c-2\"}");
        foreach (var record in records.Where(record => record.Message.Value is not null))
        {
            ShouldBeDocumented(TablesBed.Value(record));
        }
        await ShouldBeCommittedAsync("r", byKey["{\"id\":\"c-1\"}"].First());
        await ShouldBeCommittedAsync("c", byKey["{\"id\":\"c-2\"}"].First());
        await ShouldBeCommittedAsync("u", byKey["{\"id\":\"c-2\"}"].ElementAt(1));
        await ShouldBeCommittedAsync("d-new-key", byKey["{\"id\":\"c-2\"}"].ElementAt(2));
        await ShouldBeCommittedAsync("c-old-key", byKey["{\"id\":\"c-3\"}"].First());
        await ShouldBeCommittedAsync("d", byKey["{\"id\":\"c-3\"}"].ElementAt(1));
        await ShouldBeCommittedAsync("t", byKey[""].Single());
    }

    [Fact]
    public async Task A_column_that_is_added_while_it_runs_is_carried_on_without_a_stop()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await using var relay = bed.Relay();
        await bed.ProductsAsync(1, 1);
        await bed.PublishedAsync();

        await bed.ExecuteAsync("ALTER TABLE products ADD COLUMN stocked_on date NOT NULL DEFAULT '2026-01-31', ADD COLUMN weight double precision, ADD COLUMN tags jsonb, ADD COLUMN fragile boolean");
        await bed.ExecuteAsync("INSERT INTO products VALUES ('p-2', 'Vase', NULL, 1.50, 'EUR', 1, now(), now(), '1970-01-02', 0.25, '{\"a\": 1}', true)");
        await bed.SignalAsync(CapturedTables.Products);
        await bed.PublishedAsync();

        var streamed = TablesBed.Value((await bed.RecordsAsync(CapturedTables.Products)).Single(record => TablesBed.Op(record) == "c" && Encoding.UTF8.GetString(record.Message.Key).Contains("p-2", StringComparison.Ordinal)))["after"]!;
        var read = TablesBed.Applied(await bed.RecordsAsync(CapturedTables.Products));
        foreach (var row in (JsonNode[])[streamed, read["{\"id\":\"p-2\"}"]])
        {
            row.ToJsonString().ShouldEndWith("\"stocked_on\":1,\"weight\":0.25,\"tags\":\"{\\u0022a\\u0022: 1}\",\"fragile\":true}");
        }
        ((int)read["{\"id\":\"p-000001\"}"]["stocked_on"]!).ShouldBe(20484);
        relay.Output.ShouldNotContain("stopped");
    }

    [Fact]
    public async Task A_large_transaction_comes_whole_and_health_says_how_the_slot_stands()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await bed.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET logical_decoding_work_mem = '64kB'");
        await using var relay = bed.Relay(("Relay__BatchSize", "100"));
        await bed.StreamsAsync();

        await bed.ProductsAsync(1, 20_000);
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        (await relay.HealthAsync(Cancellation)).ShouldNotBeNull().Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Killed_and_started_again_it_repeats_the_same_records_and_loses_none()
    {
        await using var bed = await TablesBed.CreateAsync(engines);
        await using (new ProductWriters(bed.Database, products: 200))
        {
            for (var round = 0; round < 4; round++)
            {
                await using var relay = bed.Relay(("Relay__BatchSize", "20"), ("Relay__LeaseTimeout", "00:00:00.500"));
                await bed.StreamsAsync();
                var before = (long)(await bed.Bed.ScalarAsync("SELECT pg_wal_lsn_diff(commit_lsn, '0/0')::bigint FROM table_checkpoint"))!;
                await RelayBed.EventuallyAsync(async () => await bed.Bed.ScalarAsync($"SELECT pg_wal_lsn_diff(commit_lsn, '0/0') > {before + 200_000} FROM table_checkpoint") is true, "progress");
                await relay.KillAsync();
            }
        }
        await using var last = bed.Relay();
        await bed.PublishedAsync();

        await bed.ShouldHaveProductsAsync();
        var streamed = (await bed.RecordsAsync(CapturedTables.Products)).Where(record => record.Message.Value is not null).Select(record => (Key: Encoding.UTF8.GetString(record.Message.Key), Source: TablesBed.Value(record)["source"]!, Record: record))
            .Where(record => (string)record.Source["snapshot"]! == "false").ToList();
        foreach (var repeated in streamed.GroupBy(record => (record.Key, (string)record.Source["sequence"]!)))
        {
            repeated.Select(record => TablesBed.Value(record.Record)["after"]?.ToJsonString()).Distinct().Count().ShouldBe(1, $"{repeated.Key} is told in one way");
        }
        foreach (var key in streamed.GroupBy(record => record.Key))
        {
            key.Select(record => Place(record.Source)).Distinct().ShouldBe(key.Select(record => Place(record.Source)).Distinct().Order(), $"{key.Key} without repeats is in order");
        }
    }

    private static (ulong, ulong) Place(JsonNode source) => JsonSerializer.Deserialize<string[]>((string)source["sequence"]!)! is [var commit, var lsn] ? (ulong.Parse(commit), ulong.Parse(lsn)) : default;

    // field by field: https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-create-events
    private static void ShouldBeDocumented(JsonNode value)
    {
        Names(value).ShouldBe(["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]);
        var source = value["source"]!;
        Names(source).ShouldBe(["version", "connector", "name", "ts_ms", "ts_us", "ts_ns", "snapshot", "db", "sequence", "schema", "table", "txId", "lsn", "xmin"]);
        ((string)source["connector"]!).ShouldBe("postgresql");
        ((string)source["name"]!).ShouldBe("cdc");
        ($"{source["schema"]}.{source["table"]}").ShouldBe("public.customers");
        JsonNode.Parse((string)source["sequence"]!)!.AsArray().Count.ShouldBe(2);
        var op = (string)value["op"]!;
        var isSnapshot = (string)source["snapshot"]! != "false";
        (value["before"] is null).ShouldBe(op is "c" or "r" or "t");
        (value["after"] is null).ShouldBe(op is "d" or "t");
        (source["txId"] is null).ShouldBe(isSnapshot);
        ((string)source["snapshot"]! == "incremental").ShouldBe(source["lsn"] is null);
        foreach (var times in (JsonNode[])[value, source])
        {
            ((long)times["ts_us"]! / 1000).ShouldBe((long)times["ts_ms"]!);
            ((long)times["ts_ns"]! / 1000).ShouldBe((long)times["ts_us"]!);
        }
        foreach (var row in ((JsonNode?[])[value["before"], value["after"]]).OfType<JsonObject>().Where(row => row.Count > 1)) // of a row that is only known to be gone: the key
        {
            Names(row).ShouldBe(["id", "name", "email", "phone", "address", "version", "created_at", "updated_at"]);
            Convert.FromBase64String((string)row["name"]!).ShouldNotBeEmpty();
            ((string)row["created_at"]!).ShouldStartWith("2026-01-31T12:00:00");
            ((string)row["updated_at"]!).ShouldEndWith("Z");
            row["version"]!.GetValueKind().ShouldBe(JsonValueKind.Number);
        }
    }

    private static IEnumerable<string> Names(JsonNode node) => node.AsObject().Select(field => field.Key);

    private static string Header(ConsumeResult<byte[], byte[]> record, string name) => Encoding.UTF8.GetString(record.Message.Headers.GetLastBytes(name));

    // what differs from run to run is given a fixed value
    private static Task ShouldBeCommittedAsync(string name, ConsumeResult<byte[], byte[]> record)
    {
        var value = TablesBed.Value(record);
        foreach (var times in (JsonNode[])[value, value["source"]!])
        {
            (times["ts_ms"], times["ts_us"], times["ts_ns"]) = (1769860800123, 1769860800123456, 1769860800123456000);
        }
        var source = value["source"]!;
        source["db"] = "orders";
        source["sequence"] = source["txId"] is null ? "[\"24023119\",null]" : "[\"24023119\",\"24023128\"]";
        source["txId"] = source["txId"] is null ? null : 555;
        source["lsn"] = source["lsn"] is null ? null : source["txId"] is null ? 24023119 : 24023128;
        var headers = new JsonObject((record.Message.Headers ?? []).Select(header => KeyValuePair.Create(header.Key, (JsonNode?)Encoding.UTF8.GetString(header.GetValueBytes()))));
        var example = new JsonObject { ["key"] = record.Message.Key is { } key ? JsonNode.Parse(key) : null, ["headers"] = headers, ["value"] = value };
        return CommittedFile.ShouldBeAsync($"docs/table-cdc/{name}.json", example.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }
}
