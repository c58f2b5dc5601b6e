using System.Text.Json.Nodes;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Contracts;

public sealed class EventSchemaTests
{
    private const string Folder = "OrderPlatform.Contracts/schemas";

    public static TheoryData<string> Types => [.. EventTypes.All.Select(type => type.Name)];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task The_committed_schema_is_the_records_and_is_not_broken(string name)
    {
        var file = $"{Folder}/{name}.json";
        var schema = EventSchemas.Of(EventTypes.Find(name)!);
        // before anything is rewritten: an incompatible change is a new version of the type, not another content of this file
        if (File.Exists(CommittedFile.PathOf(file)))
        {
            var committed = JsonNode.Parse(await File.ReadAllTextAsync(CommittedFile.PathOf(file), TestContext.Current.CancellationToken))!;
            SchemaChange.Breaks(committed, schema).ShouldBeEmpty($"{name} is published and stored: leave it as it is and add the next version as a new type");
        }

        await CommittedFile.ShouldBeAsync(file, EventSchemas.Text(schema));
    }

    [Fact]
    public void A_type_that_was_ever_committed_is_still_known()
    {
        var committed = Directory.GetFiles(CommittedFile.PathOf(Folder)).Select(Path.GetFileNameWithoutExtension);

        committed.ShouldBe(EventTypes.All.Select(type => type.Name), ignoreOrder: true);
    }

    [Theory]
    [InlineData("type", """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["number","null"]}},"required":["a"]}""", "$.b: type was \"number\" and is [\"number\",\"null\"]")]
    [InlineData("removed", """{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}""", "$.b: was removed")]
    [InlineData("newly required", """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"},"c":{"type":"number"}},"required":["a","c"]}""", "$: \"c\" is required, which it was not")]
    [InlineData("optional now", """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}}}""", "$: \"a\" may be missing, which it never was")]
    [InlineData("new field", """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"},"c":{"type":"number"}},"required":["a"]}""", null)]
    public void A_change_is_refused_for_what_it_breaks(string what, string after, string? found)
    {
        var before = JsonNode.Parse("""{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}},"required":["a"]}""")!;

        SchemaChange.Breaks(before, JsonNode.Parse(after)!).ShouldBe(found is null ? [] : [found], what);
    }

    [Theory]
    [InlineData("""{"type":"array","items":{"type":"object","properties":{"s":{"enum":["A"]}}}}""", """$[].s: the value "B" was removed""")]
    [InlineData("""{"type":"array","items":{"type":"object","properties":{"s":{"enum":["A","B","C"]}}}}""", null)]
    [InlineData("""{"type":"array"}""", "$[]: was removed")]
    public void A_change_deep_inside_is_found_too(string after, string? found)
    {
        var before = JsonNode.Parse("""{"type":"array","items":{"type":"object","properties":{"s":{"enum":["A","B"]}}}}""")!;

        SchemaChange.Breaks(before, JsonNode.Parse(after)!).ShouldBe(found is null ? [] : [found]);
    }
}
