using System.Text.Json;
using OrderPlatform.Bench;

namespace OrderPlatform.Tests.Bench;

public sealed class ResultComparisonTests
{
    private const string Committed = """{"events":1000,"modes":[{"mode":"Cdc","ratio":0.7,"drain":{"p99Ms":20}}]}""";

    [Theory]
    [InlineData("""{"events":10,"modes":[{"mode":"Cdc","ratio":0.68,"drain":{"p99Ms":21}}]}""", "")]
    [InlineData("""{"events":1000,"modes":[{"mode":"Cdc","ratio":0.5,"drain":{"p99Ms":20}}]}""", "drain.json.modes[0].ratio")]
    [InlineData("""{"events":1000,"modes":[{"mode":"Cdc","ratio":0.9,"drain":{"p99Ms":40}}]}""", "drain.json.modes[0].drain.p99Ms")]
    public void What_is_worse_than_the_bound_is_named_and_nothing_else(string fresh, string worse)
    {
        var compared = ResultComparison.Of("drain.json", JsonElement.Parse(Committed), JsonElement.Parse(fresh)).ToList();

        compared.Count.ShouldBe(2);
        string.Join(' ', compared.Where(number => number.IsWorse(0.1)).Select(number => number.Name)).ShouldBe(worse);
    }
}
