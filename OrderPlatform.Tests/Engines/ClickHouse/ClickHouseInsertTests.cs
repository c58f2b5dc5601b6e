using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrderPlatform.Tests.Engines.ClickHouse;

[Collection(nameof(ClickHouseCollection))]
public sealed class ClickHouseInsertTests(ClickHouseFixture clickHouse)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private ClickHouseHttp Http => clickHouse.Http;

    [Theory]
    [InlineData("TabSeparated")]
    [InlineData("CSV")]
    [InlineData("JSONEachRow")]
    [InlineData("RowBinary")]
    [InlineData("Native")]
    [InlineData("Parquet")]
    [InlineData("Values")]
    public async Task Data_come_back_as_they_went_in_whatever_they_hold(string format)
    {
        var table = await NewTableAsync("n UInt64, s String");
        const string Hostile = "concat(char(number % 256), '\\n\\n; DROP TABLE x; -- /* \\0 $$ \\'\\\\ ', repeat('ü', number % 7))";
        using var source = await Http.GetAsync(("query", $"SELECT number AS n, {Hostile} AS s FROM numbers(100000) FORMAT {format}"));
        var body = await source.Content.ReadAsByteArrayAsync(Cancellation);

        await Http.InsertAsync($"INSERT INTO {table} FORMAT {format}", body);
        await Http.InsertAsync("", [.. Encoding.UTF8.GetBytes($"INSERT INTO {table} (n, s) SETTINGS max_threads = 1 FORMAT {format}\n"), .. body], ("async_insert", "1"));

        (await Http.QueryAsync($"SELECT count(), sum(n), sum(cityHash64(s)) FROM {table}"))
            .ShouldBe(await Http.QueryAsync($"SELECT 2 * count(), 2 * sum(number), sum(cityHash64({Hostile})) * 2 FROM numbers(100000)"));
    }

    [Theory]
    [InlineData("TabSeparated", "1\n\n2\n\nDROP TABLE {0}\n")]
    [InlineData("CSV", "1\n\n; DROP TABLE {0};\n")]
    [InlineData("Values", "(1)\n\n; DROP TABLE {0}")]
    [InlineData("Values", "(1); DROP TABLE {0}")]
    [InlineData("Values", "(1) /* */ -- \n\nDROP TABLE {0}")]
    [InlineData("JSONEachRow", "{{\"n\":1}}\n\nDROP TABLE {0}")]
    [InlineData("RowBinary", "\n\n\n\n\n\n\n\n;DROP TABLE {0}")]
    public async Task Sql_behind_the_data_never_runs(string format, string data)
    {
        var table = await NewTableAsync("n UInt64");
        var body = string.Format(null, data, table);
        var head = format == "Values" ? $"INSERT INTO {table} VALUES " : $"INSERT INTO {table} FORMAT {format}\n";

        using var byUrl = await Http.PostAsync(new StringContent(body), ("query", head));
        using var byBody = await Http.PostAsync(new StringContent(head + body));

        byUrl.StatusCode.ShouldNotBe(HttpStatusCode.OK);
        byBody.StatusCode.ShouldNotBe(HttpStatusCode.OK);
        (await Http.QueryAsync($"SELECT count() FROM {table}")).ShouldBe("0");
    }

    [Fact]
    public async Task Values_may_hold_anything()
    {
        var table = await NewTableAsync("n UInt64, s String");

        await Http.QueryAsync($"INSERT INTO {table} VALUES (1, 'a;\n\nb'), (1 + 1, upper('x')) , (3, $$;$$), (4, '\\';') ;\n -- ;\n");

        (await Http.QueryAsync($"SELECT groupArray(s) FROM (SELECT s FROM {table} ORDER BY n)")).ShouldBe("['a;\\n\\nb','X',';','\\';']");
    }

    [Fact]
    public async Task An_insert_from_a_query_is_a_query()
    {
        var table = await NewTableAsync("n UInt64");

        using var response = await Http.PostAsync(new StringContent($"INSERT INTO {table} SELECT number FROM numbers({{count:UInt64}})"), ("param_count", "10"));

        response.Headers.GetValues("X-ClickHouse-Summary").Single().ShouldContain("\"written_rows\":\"10\"");
        (await Http.QueryAsync($"SELECT count() FROM {table}")).ShouldBe("10");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task A_body_may_come_compressed(string encoding)
    {
        var table = await NewTableAsync("n UInt64");
        using var packed = new MemoryStream();
        await using (Stream packing = encoding switch { "gzip" => new GZipStream(packed, CompressionLevel.Fastest, true), "br" => new BrotliStream(packed, CompressionLevel.Fastest, true), _ => new ZLibStream(packed, CompressionLevel.Fastest, true) })
        {
            await packing.WriteAsync(Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 300_000))), Cancellation);
        }
        using var content = new ByteArrayContent(packed.ToArray()) { Headers = { { "Content-Encoding", encoding } } };

        using var response = await Http.PostAsync(content, ("query", $"INSERT INTO {table} FORMAT TSV"));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Http.QueryAsync($"SELECT count(), sum(n) FROM {table}")).ShouldBe("300000\t44999850000");
    }

    [Theory]
    [InlineData("TSV", "1\nx\n", 400, 27)]
    [InlineData("Nothing", "1\n", 404, 73)]
    public async Task Data_that_cannot_be_read_are_an_error_and_leave_nothing(string format, string body, int status, int code)
    {
        var table = await NewTableAsync("n UInt64");

        using var response = await Http.PostAsync(new StringContent(body), ("query", $"INSERT INTO {table} FORMAT {format}"));

        ((int)response.StatusCode).ShouldBe(status);
        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe([$"{code}"]);
        (await Http.QueryAsync($"SELECT count() FROM {table}")).ShouldBe("0");
    }

    [Fact]
    public async Task An_insert_that_its_view_refuses_is_an_error()
    {
        var table = await NewTableAsync("n UInt64");
        await Http.QueryAsync($"CREATE MATERIALIZED VIEW {table}_v ENGINE = MergeTree ORDER BY x AS SELECT throwIf(n = 5, 'not five') AS x FROM {table}");

        using var response = await Http.PostAsync(new StringContent("5\n"), ("query", $"INSERT INTO {table} FORMAT TSV"));

        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe(["395"]);
    }

    [Fact]
    public async Task A_large_upload_that_fails_early_still_gets_its_error()
    {
        var body = new byte[30_000_000];
        Array.Fill(body, (byte)'x');

        using var response = await Http.PostAsync(new ByteArrayContent(body), ("query", "INSERT INTO nowhere FORMAT TSV"));

        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe(["60"]);
    }

    [Theory]
    [InlineData("Content-Length: 1000000")]
    [InlineData("Transfer-Encoding: chunked")]
    public async Task An_upload_that_breaks_off_leaves_nothing(string framing)
    {
        var table = await NewTableAsync("n UInt64");
        var rows = string.Concat(Enumerable.Range(0, 100_000).Select(i => $"{i}\n"));
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, Http.Address.Port, Cancellation);
            var chunk = framing.StartsWith('T') ? $"{rows.Length:x}\r\n" : "";
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /?query=INSERT+INTO+{table}+FORMAT+TSV HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{chunk}{rows}"), Cancellation);
            client.Client.Shutdown(SocketShutdown.Both);
        }
        const string Uploads = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO%'";
        for (var end = TimeProvider.System.GetUtcNow().AddSeconds(10); await Http.QueryAsync(Uploads) != "0";)
        {
            TimeProvider.System.GetUtcNow().ShouldBeLessThan(end);
        }

        (await Http.QueryAsync($"SELECT count() FROM {table}")).ShouldBe("0");
    }

    [Fact]
    public async Task A_token_makes_an_insert_count_once_in_the_table_and_its_view()
    {
        var table = await NewTableAsync("n UInt64", "SETTINGS non_replicated_deduplication_window = 100");
        await Http.QueryAsync($"CREATE TABLE {table}_sum (k UInt8, total UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 100");
        await Http.QueryAsync($"CREATE MATERIALIZED VIEW {table}_v TO {table}_sum AS SELECT n % 2 AS k, sum(n) AS total FROM {table} GROUP BY k");
        foreach (var token in (string[])["a", "a", "b", "a", "b"])
        {
            await Http.InsertAsync($"INSERT INTO {table} FORMAT TSV", "1\n2\n"u8.ToArray(), ("insert_deduplication_token", token), ("deduplicate_blocks_in_dependent_materialized_views", "1"));
        }

        (await Http.QueryAsync($"SELECT (SELECT sum(n) FROM {table}), (SELECT sum(total) FROM {table}_sum)")).ShouldBe("6\t6");
    }

    [Fact]
    public async Task Many_write_and_read_at_once()
    {
        var table = await NewTableAsync("n UInt64");
        await Task.WhenAll(Enumerable.Range(0, 40).SelectMany(i => new[]
        {
            Http.InsertAsync($"INSERT INTO {table} FORMAT TSV", Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(i * 1000, 1000).Select(n => $"{n}\n")))),
            Http.QueryAsync($"SELECT sum(n) FROM {table}"),
        }));

        (await Http.QueryAsync($"SELECT count(), sum(n) FROM {table}")).ShouldBe("40000\t799980000");
    }

    private async Task<string> NewTableAsync(string columns, string rest = "")
    {
        var table = $"t_{Guid.NewGuid():n}";
        await Http.QueryAsync($"CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY n {rest}");
        return table;
    }
}
