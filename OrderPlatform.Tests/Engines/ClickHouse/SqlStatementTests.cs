using System.Text;
using OrderPlatform.Engines.ClickHouse;

namespace OrderPlatform.Tests.Engines.ClickHouse;

public sealed class SqlStatementTests
{
    [Theory]
    [InlineData("INSERT INTO t VALUES (1)", "INSERT INTO t ", "Values", " (1)")]
    [InlineData("insert into db.t (a, b) settings x=1 format CSV\n1,2", "insert into db.t (a, b) settings x=1 ", "CSV", "1,2")]
    [InlineData("INSERT INTO t FORMAT RowBinary \t\r\n\n;", "INSERT INTO t ", "RowBinary", "\n;")]
    [InlineData("-- FORMAT a\nINSERT /* VALUES ( */ INTO `FORMAT` (`VALUES`) FORMAT TSV 1", "-- FORMAT a\nINSERT /* VALUES ( */ INTO `FORMAT` (`VALUES`) ", "TSV", "1")]
    [InlineData("INSERT INTO values FORMAT TSV", "INSERT INTO values ", "TSV", "")]
    [InlineData("INSERT INTO FUNCTION file('FORMAT x', $$; VALUES$$) VALUES ;", "INSERT INTO FUNCTION file('FORMAT x', $$; VALUES$$) ", "Values", " ;")]
    [InlineData("INSERT\u00a0INTO t FORMAT TSV\n\n\nDROP TABLE t", "INSERT\u00a0INTO t ", "TSV", "\n\nDROP TABLE t")]
    public void An_insert_is_cut_where_its_data_begin(string text, string statement, string format, string data)
    {
        var bytes = Encoding.UTF8.GetBytes(text);

        var parsed = SqlStatement.Parse(bytes);

        Encoding.UTF8.GetString(bytes, 0, parsed.End).ShouldBe(statement);
        parsed.InputFormat.ShouldBe(format);
        Encoding.UTF8.GetString(bytes[parsed.DataStart..]).ShouldBe(data);
    }

    [Theory]
    [InlineData("SELECT ';', \"a;\", `b``;`, 'c\\';', ‘;’ -- ;\n/* ; /* ; */ ; */ # ;")]
    [InlineData("SELECT $$ ; $$, $x$ $$ ; $x$;")]
    [InlineData("INSERT INTO t SELECT 1")]
    [InlineData("INSERT INTO t (a) WITH 1 AS x SELECT x")]
    [InlineData("INSERT INTO t (SELECT format FROM values)")]
    [InlineData("SELECT 1;;")]
    public void Other_statements_hold_no_data(string text) =>
        SqlStatement.Parse(Encoding.UTF8.GetBytes(text)).InputFormat.ShouldBeNull();

    [Theory]
    [InlineData("")]
    [InlineData(" -- nothing\n;")]
    [InlineData("SELECT 1; SELECT 2")]
    [InlineData("SELECT '\\\\'; SELECT 2")]
    [InlineData("INSERT INTO t FORMAT CSV; DROP TABLE t")]
    [InlineData("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV")]
    [InlineData("INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1\n\nDROP TABLE t")]
    [InlineData("EXPLAIN AST INSERT INTO t FORMAT CSV\n\nDROP TABLE t")]
    [InlineData("SELECT 1 INTO OUTFILE '/tmp/x'")]
    public void What_could_run_something_else_is_refused(string text) =>
        Should.Throw<ClickHouseError>(() => SqlStatement.Parse(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("SELECT 1 FORMAT JSON", "JSON")]
    [InlineData("SELECT format, x.format FROM t format CSV SETTINGS a = 1", "CSV")]
    [InlineData("SELECT formatDateTime(now(), 'FORMAT CSV')", null)]
    public void The_format_of_the_result_is_known(string text, string? format) =>
        SqlStatement.Parse(Encoding.UTF8.GetBytes(text)).OutputFormat.ShouldBe(format);
}
