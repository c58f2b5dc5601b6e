using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>One call of the payment gateway (PaymentsParticipant.CallAsync): claimed, asked, recorded; killed in between, the claim ends and another call asks with the same key.</summary>
internal sealed class PaymentCall(World world, Payment claimed) : Actor(world, $"call-{claimed.OrderId}")
{
    private readonly Bill _bill = claimed.Bill!;

    protected override bool IsService => false;

    private bool IsRefund => claimed.Status is PaymentStatus.Replacing or PaymentStatus.Refunding;

    private string Key => Payment.KeyOf(claimed.OrderId, _bill.OrderVersion) + (World.Bug == Bug.KeyForEachAttempt ? $"/{claimed.Attempt}" : "");

    protected override IEnumerable<Turn> Run()
    {
        yield return Turn.Did;
        if (World.Strikes(Faults.GatewayLate))
        {
            Trace?.Say(Name, "GIVES UP while its request is under way");
            World.Gateway.ArrivesLater(() => Ask());
            foreach (var turn in Record(new GatewaySilent(_bill.OrderVersion, IsRefund)))
            {
                yield return turn;
            }
            yield break;
        }
        var answer = Ask();
        yield return Turn.Did;
        var isSilent = World.Strikes(Faults.GatewaySilent) || (!IsRefund && World.IsSilent(_bill.CustomerId));
        foreach (var turn in Record(isSilent ? new GatewaySilent(_bill.OrderVersion, IsRefund) : answer))
        {
            yield return turn;
        }
        if (!isSilent && World.Strikes(Faults.GatewayTwice))
        {
            foreach (var turn in Record(answer))
            {
                yield return turn;
            }
        }
    }

    private object Ask()
    {
        if (IsRefund)
        {
            return new RefundAnswered(_bill.OrderVersion, World.Gateway.AskForRefund(Key, claimed.OrderId));
        }
        var answer = World.Gateway.AskForCharge(Key, claimed.OrderId, _bill.Amount);
        return new ChargeAnswered(_bill.OrderVersion, answer.Reference, answer.Refusal);
    }

    private IEnumerable<Turn> Record(object answer)
    {
        using var transaction = World.Postgres.Begin();
        while (!transaction.TryLock(World.Payments, claimed.OrderId))
        {
            yield return Turn.Idle;
        }
        var batch = new SagaBatch<Payment>([(transaction.Get(World.Payments, claimed.OrderId)!, null)]);
        batch.Decide(claimed.OrderId, before => Payment.On(before, new Message(answer, Sequence: 0), World.Now), World.Now);
        batch.Save(transaction, World.Payments);
        yield return Turn.Did;
        transaction.Commit();
        Trace?.Say(Name, $"records {answer}");
        yield return Turn.Did;
    }
}
