using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.ServiceDefaults;
using StackExchange.Redis;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// Redis with order.events, while it is written to: it is read in pieces, each together with the offsets that it is of, and
/// before a piece is compared, the replay goes on to those offsets. So every row is compared at its own moment, exactly.
/// </summary>
internal sealed class RankingsAudit(
    IConnectionMultiplexer redis, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IConfiguration configuration, TimeProvider clock, Lag lag) : IAudit
{
    private const string Projection = "rankings";
    private const string Store = "redis";
    private const int Attempts = 20;

    /// <inheritdoc />
    public string Name => AuditNames.Rankings;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        using var comparison = await Comparison.BeginAsync(redis, orders, configuration, clock, cancellation);
        findings.Vector[Topics.OrderEvents] = comparison.Vector;
        await lag.CheckAsync(Store, Topics.OrderEvents, comparison.Vector, comparison.End, findings, cancellation);
        foreach (var order in comparison.Replay.Orders.Values)
        {
            findings.Sums.Expect(order.Currency, order.Day, order.Status.ToString(), order.CountedCents, Digest.Of($"{order.Version} {order.Status}"));
        }
        await comparison.EntriesAsync(entry => Add(findings, entry), cancellation);
        await comparison.RankingsAsync(row => Add(findings, row), cancellation);
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation)
    {
        var done = violations.DistinctBy(violation => violation.Row).ToDictionary(violation => violation.Row, violation => violation.Kind == ViolationKind.Stuck ? "not repaired: the projection itself is behind; its health says why" : "right already");
        // a write may have come between: then it is compared again
        for (var (attempt, isDone) = (0, false); !isDone && attempt < Attempts; attempt++)
        {
            isDone = true;
            using var comparison = await Comparison.BeginAsync(redis, orders, configuration, clock, cancellation);
            async Task CorrectAsync(string row, bool isRight, Func<Task<bool>> correct, string how)
            {
                if (!isRight && done.ContainsKey(row))
                {
                    var written = await correct();
                    isDone &= written;
                    done[row] = written ? how : "not repaired: writes came between. Ask again";
                }
            }
            await comparison.EntriesAsync(entry => CorrectAsync(entry.Row, entry.IsRight, () => comparison.Probe.CorrectEntryAsync(entry.Key, entry.Found, entry.Expected, cancellation), $"set to {entry.Expected ?? "nothing"}"), cancellation);
            await comparison.RankingsAsync(row => CorrectAsync(
                row.Row, row.IsRight,
                () => comparison.Probe.CorrectAsync(row.Key, row.Id, row.Missing.Cents, row.Missing.Orders, RankingChanges.ExpiryOf(row.Window), cancellation),
                $"{row.Missing.Orders:+#;-#;0} orders, {row.Missing.Cents / 100m:+0.00;-0.00;0.00}"), cancellation);
        }
        return [.. violations.Select(violation => done[violation.Row])];
    }

    private static Task Add(Findings findings, Entry entry)
    {
        findings.Compared++;
        if (entry.State is { } order && CachedStatus.Parse(entry.Found) is { } found)
        {
            findings.Sums.Find(order.Currency, order.Day, found.Status.ToString(), order.CountedCents, Digest.Of($"{found.Sequence} {found.Status}"));
        }
        if (!entry.IsRight)
        {
            findings.Add(Store, KindOf(entry.Expected is null, entry.Found is null), entry.Row, entry.Expected ?? "no such order", entry.Found ?? "nothing", entry.State?.Version);
        }
        return Task.CompletedTask;
    }

    private static Task Add(Findings findings, RankingRowComparison row)
    {
        findings.Compared++;
        if (!row.IsRight)
        {
            findings.Add(Store, KindOf(row.Expected is null, row.Found is null), row.Row, row.Expected?.ToString() ?? "no such row", row.Found?.ToString() ?? "nothing");
        }
        return Task.CompletedTask;
    }

    private static ViolationKind KindOf(bool isSurplus, bool isMissing) => isSurplus ? ViolationKind.Surplus : isMissing ? ViolationKind.Missing : ViolationKind.Altered;

    /// <summary>An order's entry beside what it must be.</summary>
    private sealed record Entry(Guid? Id, string Key, OrderState? State, string? Expected, string? Found)
    {
        public string Row => $"order {Id?.ToString("D") ?? Key}";

        public bool IsRight => Expected == Found;
    }

    /// <summary>A row of a ranking beside what it must be.</summary>
    private sealed record RankingRowComparison(string Kind, string Window, string Key, string Id, RankingValue? Expected, RankingRow? Found)
    {
        public string Row => $"{Kind} {Window} {Id}";

        public bool IsRight => Expected is { } right ? Found is { Score: { } score, Orders: { } orders } && score == -right.Cents && orders == right.Orders : Found is null;

        /// <summary>What must be added.</summary>
        public RankingValue Missing => new((Expected?.Cents ?? 0) + (long)(Found?.Score ?? 0), (Expected?.Orders ?? 0) - (Found?.Orders ?? 0));
    }

    /// <summary>Redis and the replay, side by side.</summary>
    private sealed class Comparison : IDisposable
    {
        private readonly RankingsReference _reference;

        private Comparison(IConnectionMultiplexer redis, NpgsqlDataSource orders, IConfiguration configuration, TimeProvider clock)
        {
            Probe = new RankingsProbe(redis);
            _reference = new RankingsReference(DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));
            Replay = new OrderReplay(configuration.Required(Connections.Kafka), orders, Projection) { Changed = _reference.Change };
        }

        public RankingsProbe Probe { get; }

        public OrderReplay Replay { get; }

        /// <summary>Where Redis was at first.</summary>
        public long[] Vector { get; private set; } = [];

        /// <summary>Where order.events ended then.</summary>
        public long[] End { get; private set; } = [];

        public static async Task<Comparison> BeginAsync(IConnectionMultiplexer redis, NpgsqlDataSource orders, IConfiguration configuration, TimeProvider clock, CancellationToken cancellation)
        {
            var comparison = new Comparison(redis, orders, configuration, clock);
            try
            {
                await comparison.Probe.BeginAsync(cancellation);
                comparison.Vector = (await comparison.Probe.EntriesAsync([RankingKeys.Order(comparison.Probe.Generation, "")], cancellation)).Vector;
                comparison.End = await comparison.Replay.EndAsync(cancellation);
                await comparison.Replay.AdvanceAsync(comparison.Vector, cancellation);
                return comparison;
            }
            catch
            {
                comparison.Dispose();
                throw;
            }
        }

        /// <summary>Compares the entry of every order, and every entry that there is.</summary>
        public async Task EntriesAsync(Func<Entry, Task> compared, CancellationToken cancellation)
        {
            var known = Replay.Orders.Keys.ToList();
            var surplus = Probe.Keys(RankingKeys.Order(Probe.Generation, "")).Select(IdOf).Where(entry => entry.Id is not { } id || !Replay.Orders.ContainsKey(id));
            foreach (var chunk in known.Select(id => ((Guid?)id, RankingKeys.Order(Probe.Generation, id.ToString("D")))).Concat(surplus.ToList()).Chunk(RankingsProbe.Chunk))
            {
                var probed = await Probe.EntriesAsync([.. chunk.Select(entry => entry.Item2)], cancellation);
                await Replay.AdvanceAsync(probed.Vector, cancellation);
                foreach (var ((id, key), found) in chunk.Zip(probed.Values))
                {
                    OrderState? state = id is { } order && Replay.Orders.TryGetValue(order, out var replayed) ? replayed : null;
                    var expected = state is { } right ? new CachedStatus(right.Version, right.Status).ToString() : null;
                    await compared(new Entry(id, key, state, expected, found));
                }
            }
        }

        /// <summary>Compares every row of every ranking that is asked for.</summary>
        public async Task RankingsAsync(Func<RankingRowComparison, Task> compared, CancellationToken cancellation)
        {
            var prefix = RankingKeys.Of(Probe.Generation);
            var there = Probe.Keys(prefix).Where(key => !key.StartsWith(RankingKeys.Order(Probe.Generation, ""), StringComparison.Ordinal)).Select(key => key.EndsWith(RankingKeys.Orders, StringComparison.Ordinal) ? key[prefix.Length..^RankingKeys.Orders.Length] : key[prefix.Length..])
                .Select(name => (Kind: name[..name.LastIndexOf(':')], Window: name[(name.LastIndexOf(':') + 1)..]));
            foreach (var (kind, window) in _reference.Rankings.Union(there).Where(IsAskedFor).ToList())
            {
                var key = RankingKeys.Ranking(Probe.Generation, kind, window);
                foreach (var ids in _reference.RowsOf((kind, window)).Keys.Union(Probe.Ids(key)).ToList().Chunk(RankingsProbe.Chunk))
                {
                    var probed = await Probe.RowsAsync(key, ids, cancellation);
                    await Replay.AdvanceAsync(probed.Vector, cancellation);
                    var right = _reference.RowsOf((kind, window));
                    foreach (var (id, found) in ids.Zip(probed.Values))
                    {
                        await compared(new RankingRowComparison(kind, window, key, id, right.TryGetValue(id, out var row) ? row : null, found));
                    }
                }
            }
        }

        public void Dispose() => Replay.Dispose();

        private bool IsAskedFor((string Kind, string Window) ranking) =>
            !DateOnly.TryParseExact(ranking.Window, "yyyy-MM-dd", out var day) || day >= _reference.FirstDay;

        private (Guid? Id, string Key) IdOf(string key) => (Guid.TryParse(key[RankingKeys.Order(Probe.Generation, "").Length..], out var id) ? id : null, key);
    }
}
