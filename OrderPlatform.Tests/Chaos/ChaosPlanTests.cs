using OrderPlatform.Bench.Chaos;

namespace OrderPlatform.Tests.Chaos;

public sealed class ChaosPlanTests
{
    private const int Faults = 100;

    [Fact]
    public void The_same_seed_makes_the_same_plan_and_another_seed_another()
    {
        Plan(42).ShouldBe(Plan(42));
        Plan(43).ShouldNotBe(Plan(42));
    }

    [Fact]
    public void A_round_has_every_kind_of_fault()
    {
        var round = ChaosPlan.By(7).Take(ChaosPlan.RoundLength).ToList();

        round.Select(fault => fault.Kind).Distinct().ShouldBe(["calm", "kill", "restart", "stop", "cut", "lossy", "slow", "stall", "flush", "refuse", "second", "both"], ignoreOrder: true);
        round.Where(fault => fault.Kind == "kill").Select(fault => fault.Target).ShouldBe(["api", "relay", "projections", "postgres", "kafka", "redis", "clickhouse"], ignoreOrder: true);
    }

    [Fact]
    public void A_fault_can_be_made_to_last_longer_and_a_blow_stays_a_blow()
    {
        var longer = ChaosPlan.By(7).Take(ChaosPlan.RoundLength).Select(fault => fault.Lasting(TimeSpan.FromMinutes(10))).ToList();

        longer.Single(fault => fault.Name == "stop kafka").Length.ShouldBe(TimeSpan.FromMinutes(10));
        longer.Single(fault => fault.Name == "kill kafka").Length.ShouldBe(TimeSpan.Zero);
        longer.Select(fault => fault.Name).ShouldBe(ChaosPlan.By(7).Take(ChaosPlan.RoundLength).Select(fault => fault.Name));
    }

    private static List<string> Plan(int seed) => [.. ChaosPlan.By(seed).Take(Faults).Select(fault => $"{fault.Name} {fault.Length}")];
}
