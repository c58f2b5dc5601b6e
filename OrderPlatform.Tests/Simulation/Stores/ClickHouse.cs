using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Simulation.Stores;

/// <summary>
/// ClickHouse (decision 7): one table and one view that sums it. An insert whose token is known is dropped, in each of the two
/// by itself. A kill can leave the table with the insert and the view without, or a token without its data.
/// </summary>
internal sealed class ClickHouse(World world)
{
    private readonly HashSet<string> _tokens = [];
    private readonly HashSet<string> _tokensOfView = [];

    /// <summary>The table.</summary>
    public List<(string OrderId, int Sequence, SalesFact Fact)> Facts { get; } = [];

    /// <summary>The view: facts, orders and revenue.</summary>
    public (int Facts, int Orders, decimal Amount) Sums { get; private set; }

    /// <summary>Whether so many facts are there, and in the view.</summary>
    public bool IsWhole(long facts) => Facts.Count == facts && Sums.Facts == facts;

    public int LastSequence(string orderId) => Facts.Where(fact => fact.OrderId == orderId).Select(fact => fact.Sequence).DefaultIfEmpty().Max();

    /// <returns>False when it was killed on the way: the caller gets no answer.</returns>
    public bool Insert(string token, IReadOnlyList<(string OrderId, int Sequence, SalesFact Fact)> facts)
    {
        var killedAt = world.Strikes(Faults.ClickHouseKilled) ? world.Random.Next(5) : int.MaxValue;
        if (killedAt == 0)
        {
            return Killed("before an insert");
        }
        if (_tokens.Add(token))
        {
            if (killedAt == 1)
            {
                return Killed("after an insert's token, before its data");
            }
            Facts.AddRange(facts);
        }
        if (killedAt == 2)
        {
            return Killed("between table and view");
        }
        if (_tokensOfView.Add(token))
        {
            Sums = (Sums.Facts + facts.Count, Sums.Orders + facts.Sum(fact => fact.Fact.Orders), Sums.Amount + facts.Sum(fact => fact.Fact.Amount));
        }
        return killedAt == int.MaxValue || Killed("before it answers");
    }

    public void Truncate()
    {
        Facts.Clear();
        Sums = default;
    }

    private bool Killed(string when)
    {
        world.Trace?.Say("clickhouse", $"IS KILLED {when}");
        return false;
    }
}
