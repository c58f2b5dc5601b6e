using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Groups;

/// <content>How a member comes in: new, again, or in the place of its former self.</content>
internal sealed partial class Group
{
    private Task<JoinAnswer> Joined(JoinRequest request)
    {
        if (request.Protocols.Count == 0 || request.ProtocolType.Length == 0 || !FitsTheOthers(request))
        {
            return Refused(ErrorCode.InconsistentGroupProtocol, request.MemberId);
        }
        if (request.InstanceId is { } instance && ByInstance(instance) is { } known)
        {
            return request.MemberId.Length == 0 ? Replaced(known, request)
                : request.MemberId != known.Id ? Refused(ErrorCode.FencedInstanceId, request.MemberId)
                : Rejoined(known, request);
        }
        if (request.MemberId.Length == 0)
        {
            return NewMember(request);
        }
        if (ById(request.MemberId) is { } member)
        {
            return Rejoined(member, request);
        }
        return _promisedIds.Remove(request.MemberId) ? Added(request.MemberId, request) : Refused(ErrorCode.UnknownMemberId, request.MemberId);
    }

    // a dynamic member must come back with the id it is given, so that a lost answer leaves no ghost (KIP-394)
    private Task<JoinAnswer> NewMember(JoinRequest request)
    {
        if (_members.Count + _promisedIds.Count >= MembersMax)
        {
            return Refused(ErrorCode.GroupMaxSizeReached, "");
        }
        var id = $"{request.InstanceId ?? request.ClientId}-{Guid.NewGuid()}";
        if (!request.RequiresKnownMemberId || request.InstanceId is not null)
        {
            return Added(id, request);
        }
        _promisedIds[id] = _clock.GetUtcNow() + request.SessionTimeout;
        return Refused(ErrorCode.MemberIdRequired, id);
    }

    private Task<JoinAnswer> Added(string id, JoinRequest request)
    {
        var member = new GroupMember(id, request);
        _members.Add(member);
        Rebalance();
        return Waiting(member);
    }

    private Task<JoinAnswer> Rejoined(GroupMember member, JoinRequest request)
    {
        KeepSession(member);
        var asksTheSame = member.AsksTheSame(request);
        member.Request = request;
        var changesNothing = asksTheSame && (State == GroupState.CompletingRebalance || (State == GroupState.Stable && member.Id != _leader));
        if (changesNothing)
        {
            return Task.FromResult(Answer(member));
        }
        Rebalance();
        return Waiting(member);
    }

    // a static member that comes back takes its old place; nothing is shared out anew unless it asks for other things
    private Task<JoinAnswer> Replaced(GroupMember old, JoinRequest request)
    {
        var member = new GroupMember($"{request.InstanceId}-{Guid.NewGuid()}", request) { Assignment = old.Assignment };
        _members[_members.IndexOf(old)] = member;
        old.Joining?.TrySetResult(new JoinAnswer(ErrorCode.FencedInstanceId, old.Id));
        old.Syncing?.TrySetResult(SyncAnswer.Failed(ErrorCode.FencedInstanceId));
        var wasLeader = _leader == old.Id;
        _leader = wasLeader ? member.Id : _leader;
        KeepSession(member);
        if (State != GroupState.Stable || !old.AsksTheSame(request))
        {
            Rebalance();
            return Waiting(member);
        }
        // before version 9 a leader cannot be told to keep the shares: it is told that another leads
        var answer = Answer(member) with { SkipAssignment = wasLeader };
        return Task.FromResult(wasLeader && !request.CanSkipAssignment ? answer with { Leader = old.Id, Members = [], SkipAssignment = false } : answer);
    }

    private static Task<JoinAnswer> Waiting(GroupMember member)
    {
        // an older request of the same member, sent again on another connection, has nobody to read its answer
        member.Joining?.TrySetResult(new JoinAnswer(ErrorCode.RebalanceInProgress, member.Id));
        member.Joining = new TaskCompletionSource<JoinAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        return member.Joining.Task;
    }

    private bool FitsTheOthers(JoinRequest request)
    {
        var others = _members.FindAll(m => m.Id != request.MemberId);
        return others.Count == 0
            || (others[0].Request.ProtocolType == request.ProtocolType && request.Protocols.Exists(p => others.TrueForAll(m => m.Knows(p.Name))));
    }
}
