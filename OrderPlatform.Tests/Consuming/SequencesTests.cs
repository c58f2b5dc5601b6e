using OrderPlatform.Consuming;

namespace OrderPlatform.Tests.Consuming;

/// <summary>The rule by which every sink drops repeats.</summary>
public sealed class SequencesTests
{
    private readonly Dictionary<string, int> _last = new() { ["a"] = 2 };

    [Fact]
    public void The_next_event_of_an_aggregate_is_taken()
    {
        _last.TakeNew("a", 3, out var missing).ShouldBeTrue();
        missing.ShouldBe(0);
        _last["a"].ShouldBe(3);
    }

    [Fact]
    public void The_first_event_of_an_unknown_aggregate_is_taken()
    {
        _last.TakeNew("b", 1, out var missing).ShouldBeTrue();
        missing.ShouldBe(0);
        _last["b"].ShouldBe(1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_repeat_is_dropped_and_changes_nothing(int sequence)
    {
        _last.TakeNew("a", sequence, out var missing).ShouldBeFalse();
        missing.ShouldBe(0);
        _last.ShouldBe(new Dictionary<string, int> { ["a"] = 2 });
    }

    [Theory]
    [InlineData("a", 5, 2)]
    [InlineData("b", 2, 1)]
    public void What_comes_after_a_gap_is_taken_and_says_how_many_are_missing(string aggregate, int sequence, int gap)
    {
        _last.TakeNew(aggregate, sequence, out var missing).ShouldBeTrue();
        missing.ShouldBe(gap);
        _last[aggregate].ShouldBe(sequence);
    }
}
