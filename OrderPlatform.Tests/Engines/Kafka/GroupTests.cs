using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class GroupTests : IDisposable
{
    private static readonly TimeSpan Session = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Rebalance = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly ManualClock _clock = new();
    private readonly OffsetStore _offsets;
    private readonly GroupCoordinator _groups;

    public GroupTests()
    {
        var log = new LogLines().Log;
        _offsets = OffsetStore.Open(_folder.Path, _ => true, log);
        _groups = new GroupCoordinator(_offsets, _clock, log);
    }

    public void Dispose()
    {
        _groups.Dispose();
        _offsets.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_new_member_is_given_an_id_and_must_come_back_with_it()
    {
        var refused = Join("");

        refused.Answered().Error.ShouldBe(ErrorCode.MemberIdRequired);
        var joined = Join(refused.Answered().MemberId).Answered();
        joined.Error.ShouldBe(ErrorCode.None);
        joined.Generation.ShouldBe(1);
        joined.Leader.ShouldBe(joined.MemberId);
        joined.Members.Count.ShouldBe(1);
        Join("somebody-else").Answered().Error.ShouldBe(ErrorCode.UnknownMemberId);
    }

    [Fact]
    public void Three_members_share_and_every_change_is_a_new_generation()
    {
        var a = NewMember();
        Sync(a, 1, (a, "all")).Answered().Assignment.ShouldBe("all"u8.ToArray());
        var b = Promise();
        var joinB = Join(b);
        joinB.IsCompleted.ShouldBeFalse();
        Heartbeat(a, 1).ShouldBe(ErrorCode.RebalanceInProgress);
        var c = Promise();
        var joinC = Join(c);

        var joinA = Join(a);

        joinA.Answered().Generation.ShouldBe(2);
        joinA.Answered().Members.Select(m => m.Id).ShouldBe([a, b, c]);
        joinB.Answered().Members.ShouldBeEmpty();
        joinC.Answered().Leader.ShouldBe(a);
        var syncB = Sync(b, 2);
        syncB.IsCompleted.ShouldBeFalse();
        Sync(a, 2, (a, "x"), (b, "y")).Answered().Assignment.ShouldBe("x"u8.ToArray());
        syncB.Answered().Assignment.ShouldBe("y"u8.ToArray());
        Sync(c, 2).Answered().Assignment.ShouldBeEmpty();
        Heartbeat(a, 2).ShouldBe(ErrorCode.None);
        Heartbeat(a, 1).ShouldBe(ErrorCode.IllegalGeneration);
        Commit(a, 1).ShouldBe(ErrorCode.IllegalGeneration);
        Commit(a, 2).ShouldBe(ErrorCode.None);
        _groups.Describe("g").State.ShouldBe(GroupState.Stable);

        _groups.Find("g")!.Leave(b, null).ShouldBe(ErrorCode.None);
        Heartbeat(a, 2).ShouldBe(ErrorCode.RebalanceInProgress);
        Heartbeat(b, 2).ShouldBe(ErrorCode.UnknownMemberId);
    }

    [Fact]
    public void A_silent_member_is_gone_after_its_session_and_the_others_rebalance()
    {
        var (a, b) = TwoMembers();
        _clock.Advance(Session - TimeSpan.FromSeconds(1));
        Heartbeat(a, 2).ShouldBe(ErrorCode.None);
        _clock.Advance(TimeSpan.FromSeconds(2));

        Heartbeat(b, 2).ShouldBe(ErrorCode.UnknownMemberId);
        Heartbeat(a, 2).ShouldBe(ErrorCode.RebalanceInProgress);
        Join(a).Answered().Generation.ShouldBe(3);
    }

    [Fact]
    public void A_member_that_does_not_rejoin_in_time_is_left_behind()
    {
        var (a, b) = TwoMembers();
        var c = Promise();
        var joinC = Join(c);
        var joinA = Join(a);
        for (var waited = TimeSpan.Zero; waited < Rebalance; waited += TimeSpan.FromSeconds(5))
        {
            joinC.IsCompleted.ShouldBeFalse();
            Heartbeat(b, 2).ShouldBe(ErrorCode.RebalanceInProgress);
            _clock.Advance(TimeSpan.FromSeconds(5));
        }

        joinA.Answered().Members.Select(m => m.Id).ShouldBe([a, c]);
        Heartbeat(b, 2).ShouldBe(ErrorCode.UnknownMemberId);
    }

    [Fact]
    public void Followers_of_a_leader_that_dies_before_its_sync_start_anew()
    {
        var (a, b) = TwoMembers(sync: false);
        var syncB = Sync(b, 2);
        _clock.Advance(Session + TimeSpan.FromSeconds(1));

        syncB.Answered().Error.ShouldBe(ErrorCode.RebalanceInProgress);
        var joined = Join(b).Answered();
        joined.Generation.ShouldBe(3);
        joined.Leader.ShouldBe(b);
        Heartbeat(a, 3).ShouldBe(ErrorCode.UnknownMemberId);
    }

    [Fact]
    public void A_promised_id_that_nobody_claims_does_not_hold_up_the_others()
    {
        var a = NewMember();
        Sync(a, 1).Answered().Error.ShouldBe(ErrorCode.None);
        Promise();
        var again = Join(a);
        again.IsCompleted.ShouldBeFalse();
        _clock.Advance(Session + TimeSpan.FromSeconds(1));

        again.Answered().Error.ShouldBe(ErrorCode.None);
    }

    [Fact]
    public void The_protocol_that_most_prefer_and_all_know_is_taken()
    {
        var a = Join(Promise(), protocols: ["range", "sticky"]).Answered().MemberId;
        var joinB = Join(Promise(), protocols: ["sticky", "range"]);
        var joinC = Join(Promise(), protocols: ["sticky", "range", "other"]);
        Join(a, protocols: ["range", "sticky"]).Answered().ProtocolName.ShouldBe("sticky");
        joinB.Answered().ProtocolName.ShouldBe("sticky");
        joinC.Answered().ProtocolName.ShouldBe("sticky");

        Join(Promise(), protocols: ["other"]).Answered().Error.ShouldBe(ErrorCode.InconsistentGroupProtocol);
        Join(Promise(), protocols: []).Answered().Error.ShouldBe(ErrorCode.InconsistentGroupProtocol);
    }

    [Fact]
    public void A_static_member_comes_back_to_its_share_without_a_rebalance_and_fences_its_former_self()
    {
        var a = Join("", instance: "one").Answered().MemberId;
        Sync(a, 1, (a, "all"), instance: "one").Answered();

        var back = Join("", instance: "one").Answered();

        back.Error.ShouldBe(ErrorCode.None);
        back.MemberId.ShouldNotBe(a);
        back.Generation.ShouldBe(1);
        back.SkipAssignment.ShouldBeTrue();
        Sync(back.MemberId, 1, instance: "one").Answered().Assignment.ShouldBe("all"u8.ToArray());
        _groups.Find("g")!.Heartbeat(a, "one", 1).ShouldBe(ErrorCode.FencedInstanceId);
        Join(a, instance: "one").Answered().Error.ShouldBe(ErrorCode.FencedInstanceId);
    }

    [Fact]
    public void Wrong_requests_get_their_error_code()
    {
        _groups.JoinAsync("", Request("")).Answered().Error.ShouldBe(ErrorCode.InvalidGroupId);
        _groups.JoinAsync("g", Request("") with { SessionTimeout = TimeSpan.FromMilliseconds(5) }).Answered().Error.ShouldBe(ErrorCode.InvalidSessionTimeout);
        _groups.MayCommit("g", "nobody", null, 3).ShouldBe(ErrorCode.UnknownMemberId);
        _groups.MayCommit("g", "", null, -1).ShouldBe(ErrorCode.None);
        var a = NewMember();
        Commit("", -1).ShouldBe(ErrorCode.UnknownMemberId);
        Commit(a, 1).ShouldBe(ErrorCode.RebalanceInProgress);
        Sync("nobody", 1).Answered().Error.ShouldBe(ErrorCode.UnknownMemberId);
        _groups.Delete("g").ShouldBe(ErrorCode.NonEmptyGroup);
        _groups.Delete("unknown").ShouldBe(ErrorCode.GroupIdNotFound);
    }

    [Fact]
    public void An_empty_group_lives_on_only_by_its_offsets()
    {
        var a = NewMember();
        _groups.Find("g")!.Leave(a, null);
        _groups.Describe("g").State.ShouldBe(GroupState.Dead);

        _offsets.Commit("g", [KeyValuePair.Create(new TopicPartition(Guid.NewGuid(), 0), new CommittedOffset(5, 0, null))]);
        _groups.Describe("g").State.ShouldBe(GroupState.Empty);
        _groups.Groups().ShouldBe(["g"]);
        _groups.Delete("g").ShouldBe(ErrorCode.None);
        _groups.Groups().ShouldBeEmpty();
    }

    private string Promise() => Join("").Answered().MemberId;

    private string NewMember() => Join(Promise()).Answered().MemberId;

    private (string A, string B) TwoMembers(bool sync = true)
    {
        var a = NewMember();
        var b = Promise();
        var joinB = Join(b);
        Join(a).Answered().Generation.ShouldBe(2);
        joinB.IsCompletedSuccessfully.ShouldBeTrue();
        if (sync)
        {
            Sync(a, 2, (a, "x"), (b, "y")).IsCompleted.ShouldBeTrue();
        }
        return (a, b);
    }

    private Task<JoinAnswer> Join(string member, string[]? protocols = null, string? instance = null) =>
        _groups.JoinAsync("g", Request(member) with { InstanceId = instance, Protocols = [.. (protocols ?? ["range"]).Select(p => new GroupProtocol(p, []))] });

    private static JoinRequest Request(string member) =>
        new(member, null, "client", "127.0.0.1", Session, Rebalance, "consumer", [new GroupProtocol("range", [])], RequiresKnownMemberId: true, CanSkipAssignment: true);

    private Task<SyncAnswer> Sync(string member, int generation, params (string Member, string Share)[] shares) => Sync(member, generation, shares, null);

    private Task<SyncAnswer> Sync(string member, int generation, (string Member, string Share) share, string instance) => Sync(member, generation, [share], instance);

    private Task<SyncAnswer> Sync(string member, int generation, string instance) => Sync(member, generation, [], instance);

    private Task<SyncAnswer> Sync(string member, int generation, (string Member, string Share)[] shares, string? instance) =>
        _groups.Find("g")!.Sync(member, instance, generation, "consumer", "range", shares.ToDictionary(s => s.Member, s => System.Text.Encoding.ASCII.GetBytes(s.Share)));

    private ErrorCode Heartbeat(string member, int generation) => _groups.Find("g")!.Heartbeat(member, null, generation);

    private ErrorCode Commit(string member, int generation) => _groups.MayCommit("g", member, null, generation);
}

file static class Answers
{
    /// <summary>What the group has answered already; a task that still waits fails the test.</summary>
    public static T Answered<T>(this Task<T> task)
    {
        task.IsCompletedSuccessfully.ShouldBeTrue();
        return task.GetAwaiter().GetResult();
    }
}
