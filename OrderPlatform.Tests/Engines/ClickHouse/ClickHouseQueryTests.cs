using System.IO.Compression;
using System.Net;
using System.Text;

namespace OrderPlatform.Tests.Engines.ClickHouse;

[Collection(nameof(ClickHouseCollection))]
public sealed class ClickHouseQueryTests(ClickHouseFixture clickHouse)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private ClickHouseHttp Http => clickHouse.Http;

    [Theory]
    [InlineData("/ping")]
    [InlineData("/replicas_status")]
    [InlineData("/")]
    public async Task Says_that_it_is_well(string path)
    {
        using var response = await Http.SendAsync(new HttpRequestMessage(HttpMethod.Get, path));

        (await response.Content.ReadAsStringAsync(Cancellation)).ShouldBe("Ok.\n");
    }

    [Theory]
    [InlineData("TabSeparated", "1\ta\n", "text/tab-separated-values; charset=UTF-8")]
    [InlineData("JSONEachRow", "{\"n\":1,\"s\":\"a\"}\n", "application/x-ndjson; charset=UTF-8")]
    [InlineData("CSVWithNames", "\"n\",\"s\"\n1,\"a\"\n", "text/csv; charset=UTF-8; header=present")]
    [InlineData("RowBinary", "\u0001\u0001a", "application/octet-stream")]
    public async Task Gives_the_format_that_the_query_the_url_or_the_header_names(string format, string expected, string contentType)
    {
        const string Sql = "SELECT toUInt8(1) AS n, 'a' AS s";
        var byHeader = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent(Sql), Headers = { { "X-ClickHouse-Format", format } } };
        foreach (var response in new[] { await Http.GetAsync(("query", Sql), ("default_format", format)), await Http.GetAsync(("query", $"{Sql} FORMAT {format}")), await Http.SendAsync(byHeader) })
        {
            (await response.Content.ReadAsStringAsync(Cancellation)).ShouldBe(expected);
            response.Content.Headers.GetValues("Content-Type").ShouldBe([contentType]);
            response.Headers.GetValues("X-ClickHouse-Format").ShouldBe([format]);
            response.Dispose();
        }
    }

    [Fact]
    public async Task Tells_in_headers_what_the_query_did()
    {
        using var response = await Http.GetAsync(("query", "SELECT number FROM numbers(1000)"), ("query_id", "my-query"));

        response.Headers.GetValues("X-ClickHouse-Query-Id").ShouldBe(["my-query"]);
        response.Headers.GetValues("X-ClickHouse-Timezone").Single().ShouldNotBeEmpty();
        response.Headers.GetValues("X-ClickHouse-Summary").Single().ShouldStartWith("{\"read_rows\":\"1000\",\"read_bytes\":\"8000\",\"written_rows\":\"0\"");
    }

    [Theory]
    [InlineData("SELECT * FROM nowhere", 404, 60)]
    [InlineData("SELEC 1", 400, 62)]
    [InlineData("SELECT 1; SELECT 2", 400, 62)]
    [InlineData("SELECT throwIf(1)", 500, 395)]
    [InlineData("SELECT no_such_function(1)", 404, 46)]
    [InlineData("SELECT toUInt8('x')", 400, 6)]
    [InlineData("SELECT 1 FORMAT Nothing", 404, 73)]
    [InlineData("SELECT 1 INTO OUTFILE '/tmp/x'", 500, 358)]
    public async Task An_error_has_the_servers_code_status_and_text(string sql, int status, int code)
    {
        using var response = await Http.PostAsync(new StringContent(sql));

        ((int)response.StatusCode).ShouldBe(status);
        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe([$"{code}"]);
        (await response.Content.ReadAsStringAsync(Cancellation)).ShouldStartWith($"Code: {code}. DB::Exception: ");
    }

    [Theory]
    [InlineData("no_such_setting", "1", 404)]
    [InlineData("database", "nowhere", 404)]
    [InlineData("user", "somebody", 403)]
    [InlineData("password", "wrong", 403)]
    [InlineData("session_id", "s", 501)]
    [InlineData("compress", "1", 501)]
    [InlineData("max_threads`=1,`max_block_size", "1", 404)]
    [InlineData("max_threads", "1', max_block_size = '1", 400)]
    public async Task A_url_parameter_that_cannot_be_served_is_an_error(string name, string value, int status)
    {
        using var response = await Http.GetAsync(("query", "SELECT 1"), (Uri.EscapeDataString(name), value));

        ((int)response.StatusCode).ShouldBe(status);
    }

    [Fact]
    public async Task Get_only_reads()
    {
        using var response = await Http.GetAsync(("query", "CREATE TABLE written_by_get (a UInt8) ENGINE = Memory"));

        response.Headers.GetValues("X-ClickHouse-Exception-Code").ShouldBe(["164"]);
        (await Http.QueryAsync("EXISTS written_by_get")).ShouldBe("0");
    }

    [Fact]
    public async Task Settings_and_database_are_the_querys_own()
    {
        await Http.QueryAsync("CREATE DATABASE other");

        (await Http.QueryAsync("SELECT getSetting('max_block_size'), currentDatabase()", ("max_block_size", "17"), ("database", "other"))).ShouldBe("17\tother");
        await Http.QueryAsync("SET max_block_size = 18");
        await Http.QueryAsync("USE other");

        foreach (var answer in await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => Http.QueryAsync("SELECT getSetting('max_block_size'), currentDatabase()"))))
        {
            answer.ShouldBe("65409\tdefault");
        }
    }

    [Fact]
    public async Task Parameters_come_back_as_they_were_whatever_they_hold()
    {
        var random = new Random(20_26);
        string[] pieces = ["'", "\"", "`", "\\", "\0", "\n", "\r", "\t", "\b", ";", "--", "/*", "*/", "$$", "{x:String}", "ü", "漢", "😀", "%", "+", "&", "=", " ", "a", "\\N", "\\'", "'; DROP TABLE t; --"];
        foreach (var text in pieces.Concat(Enumerable.Range(0, 100).Select(_ => string.Concat(random.GetItems(pieces, 12)))))
        {
            var answer = await Http.QueryAsync("SELECT hex({p:String}), hex({a:Array(String)}[1]), hex({m:Map(String, String)}['k'])",
                ("param_p", Escape(text)), ("param_a", $"['{Escape(text)}']"), ("param_m", $"{{'k':'{Escape(text)}'}}"));

            answer.ShouldBe(string.Join('\t', Enumerable.Repeat(Convert.ToHexString(Encoding.UTF8.GetBytes(text)), 3)));
        }
    }

    [Theory]
    [InlineData("SELECT {p:Nullable(String)} IS NULL", "\\N", "1")]
    [InlineData("SELECT {p:Decimal(38, 10)}", "12345678901234567890.0123456789", "12345678901234567890.0123456789")]
    [InlineData("SELECT {p:DateTime64(3, 'UTC')}", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678")]
    [InlineData("SELECT count() FROM {p:Identifier}", "system`.one", null)]
    [InlineData("SELECT count() FROM system.{p:Identifier}", "one", "1")]
    [InlineData("SELECT {p:UInt64}", "1 OR 1", null)]
    [InlineData("SELECT {p:UInt64}", "18446744073709551615", "18446744073709551615")]
    public async Task Parameters_are_of_their_type(string sql, string value, string? expected)
    {
        using var response = await Http.GetAsync(("query", sql), ("param_p", value));

        response.IsSuccessStatusCode.ShouldBe(expected != null);
        (await response.Content.ReadAsStringAsync(Cancellation)).ShouldBe(expected == null ? await response.Content.ReadAsStringAsync(Cancellation) : expected + "\n");
    }

    [Theory]
    [InlineData("JSON")]
    [InlineData("CSVWithNames")]
    [InlineData("Parquet")]
    [InlineData("ArrowStream")]
    public async Task A_format_with_a_head_or_foot_is_whole_over_many_blocks(string format)
    {
        using var response = await Http.GetAsync(("query", $"SELECT number FROM numbers(200000) FORMAT {format}"));
        var file = await response.Content.ReadAsByteArrayAsync(Cancellation);

        await Http.QueryAsync($"CREATE TABLE whole_{format} (number UInt64) ENGINE = Memory");
        await Http.InsertAsync($"INSERT INTO whole_{format} FORMAT {format}", file);

        (await Http.QueryAsync($"SELECT count(), sum(number) FROM whole_{format}")).ShouldBe("200000\t19999900000");
    }

    [Theory]
    [InlineData("SETTINGS output_format_json_array_of_rows = 1", "0")]
    [InlineData("", "1")]
    public async Task An_array_of_rows_is_one_array(string clause, string setting)
    {
        var text = await Http.QueryAsync($"SELECT number FROM numbers(200000) FORMAT JSONEachRow {clause}", ("output_format_json_array_of_rows", setting));

        System.Text.Json.JsonDocument.Parse(text).RootElement.GetArrayLength().ShouldBe(200_000);
    }

    [Fact]
    public async Task Head_gives_the_headers_alone()
    {
        using var response = await Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, ClickHouseHttp.Url(("query", "SELECT 1"))));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await response.Content.ReadAsStringAsync(Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_query_id_runs_once_at_a_time()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Http.GetAsync(("query", "SELECT sum(number) FROM numbers(1000000000)"), ("query_id", "one"))));

        answers.Count(answer => answer.IsSuccessStatusCode).ShouldBeInRange(1, 7);
        answers.Where(answer => !answer.IsSuccessStatusCode).ShouldAllBe(answer => answer.Headers.GetValues("X-ClickHouse-Exception-Code").Single() == "216");
    }

    [Fact]
    public async Task A_large_result_flows_through_little_memory()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, ClickHouseHttp.Url(("query", "SELECT number, toString(number) FROM numbers(20000000)")));
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync(Cancellation);
        var buffer = new byte[1 << 20];
        var (total, most) = (0L, 0L);
        for (var pieces = 0; await body.ReadAsync(buffer, Cancellation) is > 0 and var length; pieces++)
        {
            total += length;
            most = pieces % 100 == 0 ? Math.Max(most, ResidentBytes()) : most;
        }

        total.ShouldBe(337_777_780);
        most.ShouldBeLessThan(700L << 20);
    }

    [Fact]
    public async Task An_error_in_mid_stream_ends_the_result_with_its_text_and_breaks_it()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, ClickHouseHttp.Url(("query", "SELECT throwIf(number = 4000000, 'boom') FROM numbers(5000000)")));
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var tag = response.Headers.GetValues("X-ClickHouse-Exception-Tag").Single();
        using var read = new MemoryStream();

        await Should.ThrowAsync<HttpRequestException>(async () => await response.Content.CopyToAsync(read, Cancellation));

        var text = Encoding.UTF8.GetString(read.ToArray());
        text.ShouldContain($"\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: boom");
        text.ShouldEndWith($" {tag}\r\n__exception__\r\n");
    }

    [Fact]
    public async Task With_wait_end_of_query_a_late_error_has_its_status()
    {
        using var response = await Http.GetAsync(("query", "SELECT throwIf(number = 4000000, 'boom') FROM numbers(5000000)"), ("wait_end_of_query", "1"));

        response.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await Http.QueryAsync("SELECT * FROM numbers(1000000)", ("wait_end_of_query", "1"))).Length.ShouldBe(6_888_889);
    }

    [Fact]
    public async Task A_result_may_come_compressed()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, ClickHouseHttp.Url(("query", "SELECT * FROM numbers(1000000)"), ("enable_http_compression", "1"))) { Headers = { { "Accept-Encoding", "gzip" } } };
        using var response = await Http.SendAsync(request);
        response.Content.Headers.ContentEncoding.ShouldBe(["gzip"]);
        await using var plain = new GZipStream(await response.Content.ReadAsStreamAsync(Cancellation), CompressionMode.Decompress);

        (await new StreamReader(plain).ReadToEndAsync(Cancellation)).Length.ShouldBe(6_888_890);
    }

    [Fact]
    public async Task A_query_ends_when_its_client_goes()
    {
        using var going = new CancellationTokenSource();
        using var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = Http.Address };
        var endless = client.GetAsync(new Uri(ClickHouseHttp.Url(("query", "SELECT count() FROM numbers(1e13) WHERE NOT ignore(number)")), UriKind.Relative), going.Token);
        const string Running = "SELECT count() FROM system.processes WHERE query LIKE '%1e13%' AND query NOT LIKE '%processes%'";
        await UntilAsync(async () => await Http.QueryAsync(Running) == "1");

        await going.CancelAsync();

        await UntilAsync(async () => await Http.QueryAsync(Running) == "0");
        await Should.ThrowAsync<OperationCanceledException>(endless);
    }

    [Fact]
    public async Task Many_queries_at_once_wait_for_their_turn()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Http.QueryAsync($"SELECT {i} + sum(number) * 0 FROM numbers(1000000)")));

        answers.ShouldBe(Enumerable.Range(0, 60).Select(i => $"{i}"));
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(TimeSpan.FromSeconds(10));
        while (!await condition())
        {
            await Task.Delay(10, bound.Token);
        }
    }

    private static string Escape(string text) => text
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\0", "\\0", StringComparison.Ordinal).Replace("\b", "\\b", StringComparison.Ordinal);

    private long ResidentBytes()
    {
        using var process = System.Diagnostics.Process.GetProcessById(clickHouse.Running.Process.Id);
        return process.WorkingSet64;
    }
}
