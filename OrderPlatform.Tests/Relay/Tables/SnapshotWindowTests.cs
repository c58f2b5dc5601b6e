using OrderPlatform.Relay.Tables;

namespace OrderPlatform.Tests.Relay.Tables;

public sealed class SnapshotWindowTests
{
    private static readonly TableName Table = new("public", "products");
    private static readonly TableColumn[] Columns = [new("id", 25), new("price", 25)];

    [Fact]
    public void What_the_stream_tells_between_the_watermarks_is_not_told_again_by_what_was_read()
    {
        var window = new SnapshotWindow(Table, ["id"]);
        window.Passed(Change(Operation.Update, "before", "1"));
        window.Open();
        window.Read([.. ((string[])["before", "updated", "deleted", "renamed", "new-name", "left"]).Select(id => Change(Operation.Read, id, "2"))]);
        window.Passed(Change(Operation.Update, "updated", "3"));
        window.Passed(Change(Operation.Delete, "deleted", "3"));
        window.Passed(Change(Operation.Update, "new-name", "3") with { Before = Row("renamed", "1") });
        window.Passed(Change(Operation.Update, "left", "3") with { Table = new TableName("public", "stock") });

        var published = window.Close(new NpgsqlTypes.NpgsqlLogSequenceNumber(77)).ToList();

        published.Select(change => change.After!["id"]).ShouldBe(["before", "left"]);
        published.ShouldAllBe(change => (ulong)change.Source.Commit == 77);
    }

    [Fact]
    public void A_truncate_between_the_watermarks_leaves_nothing_of_what_was_read()
    {
        var window = new SnapshotWindow(Table, ["id"]);
        window.Open();
        window.Read([Change(Operation.Read, "a", "1")]);
        window.Passed(Change(Operation.Truncate, "", "") with { After = null });

        window.Close(default).ShouldBeEmpty();
    }

    private static TableRow Row(string id, string price) => new(Columns, [id, price]);

    private static TableChange Change(Operation operation, string id, string price) => new(
        Table, operation, ["id"], operation == Operation.Delete ? Row(id, price) : null, operation == Operation.Delete ? null : Row(id, price), new ChangeSource(default, ChangeSource.Streamed, default, null, null));
}
