using System.Diagnostics;
using System.Globalization;

namespace OrderPlatform.Tests.Simulation;

/// <summary>
/// The platform's logic under thousands of random schedules: nothing is lost, nothing is done twice, everything comes to its end;
/// and a mistake of each kind, made on purpose, is found. docs/decisions/0015 says what is simulated and what is not.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int Schedules = 10_000;
    private const int SchedulesOfAVariant = 1_000;

    /// <summary>ORDERPLATFORM_SEED: the seed of the first schedule, the next ones count on. A schedule that fails prints its own.</summary>
    private static readonly int? GivenSeed = int.TryParse(Environment.GetEnvironmentVariable("ORDERPLATFORM_SEED"), CultureInfo.InvariantCulture, out var given) ? given : null;

    // other schedules each time
    private static readonly int FirstSeed = GivenSeed ?? Random.Shared.Next(int.MaxValue - Schedules);

    [Fact]
    public void Ten_thousand_schedules_break_no_promise() => NoneIsBroken(Schedules, Bug.None);

    /// <summary>The inbox forgets a message after a week, and relies on this.</summary>
    [Fact]
    public void A_saga_without_its_inbox_breaks_no_promise() => NoneIsBroken(SchedulesOfAVariant, Bug.InboxOmitted);

    /// <summary>What trusts the inbox is right as long as there is one: what the next test finds is the inbox that is missing.</summary>
    [Fact]
    public void A_participant_that_trusts_its_inbox_breaks_no_promise() => NoneIsBroken(SchedulesOfAVariant, Bug.InboxTrusted);

    [Theory]
    [InlineData(nameof(Bug.InboxTrustedAndOmitted))]
    [InlineData(nameof(Bug.ProgressBeforeEffect))]
    [InlineData(nameof(Bug.OffsetsBeforeAcknowledgement))]
    [InlineData(nameof(Bug.CheckpointBeforeAcknowledgement))]
    [InlineData(nameof(Bug.CheckpointByPosition))]
    [InlineData(nameof(Bug.WindowsByHorizon))]
    [InlineData(nameof(Bug.LeaseWithoutEpoch))]
    [InlineData(nameof(Bug.RefundOmitted))]
    [InlineData(nameof(Bug.ReleaseOmitted))]
    [InlineData(nameof(Bug.KeyForEachAttempt))]
    [InlineData(nameof(Bug.InsertWithoutPlan))]
    [InlineData(nameof(Bug.ScriptWithoutPlan))]
    [InlineData(nameof(Bug.RepeatsTaken))]
    [InlineData(nameof(Bug.AnswerRecordedApart))]
    [InlineData(nameof(Bug.AnswerLookedUpBeforeItsLock))]
    [InlineData(nameof(Bug.BatchAnsweredBeforeItsCommit))]
    public void A_bug_made_on_purpose_is_found(string bug)
    {
        // the same schedules each time: whether it is found is no matter of luck
        var first = GivenSeed ?? 1;
        var scenarios = Enumerable.Range(first, Schedules).Select(seed => Scenario.Of(seed, Enum.Parse<Bug>(bug)));
        var failing = scenarios.FirstOrDefault(scenario => Schedule.Run(scenario) is not null);

        failing.ShouldNotBeNull($"{bug} breaks no promise in {Schedules} schedules from seed {first} on");
        output.WriteLine($"found in schedule {failing.Seed - first + 1}");
        output.WriteLine(Story(failing));
    }

    [Fact]
    public void A_seed_gives_the_same_schedule_again()
    {
        var (once, again) = (new Trace(), new Trace());
        Schedule.Run(Scenario.Of(FirstSeed), once);
        Schedule.Run(Scenario.Of(FirstSeed), again);
        again.ToString().ShouldBe(once.ToString());
    }

    private void NoneIsBroken(int schedules, Bug bug)
    {
        var since = Stopwatch.GetTimestamp();
        var failing = Enumerable.Range(FirstSeed, schedules).Select(seed => Scenario.Of(seed, bug)).FirstOrDefault(scenario => Schedule.Run(scenario) is not null);
        output.WriteLine($"{schedules} schedules from seed {FirstSeed} on, in {Stopwatch.GetElapsedTime(since).TotalSeconds:F1} s");
        if (failing is not null)
        {
            Assert.Fail(Story(failing));
        }
    }

    private static string Story(Scenario failing)
    {
        var (shortest, broken, trace) = Schedule.Shorten(failing);
        return $"ORDERPLATFORM_SEED={failing.Seed}: {broken}\n{shortest}\n{trace}";
    }
}
