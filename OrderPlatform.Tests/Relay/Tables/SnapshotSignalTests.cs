using OrderPlatform.Relay.Tables;

namespace OrderPlatform.Tests.Relay.Tables;

public sealed class SnapshotSignalTests
{
    [Theory]
    [InlineData("""{"data-collections":["public.customers","public.stock"],"type":"INCREMENTAL"}""")]
    [InlineData("""{"data-collections":["public.customers","public.stock","public.stock"]}""")]
    public void The_documented_form_names_its_tables(string data)
    {
        SnapshotSignal.Read(Row("execute-snapshot", data), out var problem).Select(table => table.ToString()).ShouldBe(["public.customers", "public.stock"]);

        problem.ShouldBeNull();
    }

    [Theory]
    [InlineData("execute-snapshot", "no JSON", "its data is not")]
    [InlineData("execute-snapshot", null, "its data is not")]
    [InlineData("execute-snapshot", "[]", "its data is not")]
    [InlineData("execute-snapshot", """{"type":"incremental"}""", "its data is not")]
    [InlineData("execute-snapshot", """{"data-collections":[7]}""", "its data is not")]
    [InlineData("execute-snapshot", """{"data-collections":["public.customer_keys"]}""", "public.customer_keys is not among the captured tables")]
    [InlineData("execute-snapshot", """{"data-collections":["public.stock"],"type":"blocking"}""", "only snapshots of type incremental")]
    [InlineData("stop-snapshot", null, "its type is not execute-snapshot")]
    public void Anything_else_is_named_and_asks_for_nothing(string type, string? data, string expected)
    {
        SnapshotSignal.Read(Row(type, data), out var problem).ShouldBeEmpty();

        problem.ShouldNotBeNull().ShouldContain(expected);
    }

    private static TableRow Row(string type, string? data) => new([new("id", 25), new("type", 25), new("data", 25)], ["s-1", type, data]);
}
