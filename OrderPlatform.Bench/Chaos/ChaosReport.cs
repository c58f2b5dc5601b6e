using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrderPlatform.Bench.Load;

namespace OrderPlatform.Bench.Chaos;

/// <summary>What a run has shown.</summary>
internal sealed record ChaosReport
{
    /// <summary>Kinds whose recovery is no measure: nothing went wrong, or a store is built again from the whole log.</summary>
    private static readonly string[] Apart = ["calm", "flush"];

    private const int Shown = 50;

    private static readonly JsonSerializerOptions Json = new(Bench.Machine.Json) { Converters = { new JsonStringEnumConverter() } };

    public required string Machine { get; init; }

    /// <summary>Of the machine, over a minute: at the beginning and at the end.</summary>
    public required IReadOnlyList<double?> LoadAverage { get; init; }

    public required IReadOnlyDictionary<string, string> Versions { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required int Seed { get; init; }

    /// <summary>How long orders were placed.</summary>
    public required double Seconds { get; init; }

    public required int PerSecond { get; init; }

    public required double RecoveryObjectiveSeconds { get; init; }

    /// <summary>Whether the faults of the network were among them.</summary>
    public required bool FaultyNetwork { get; init; }

    public required IReadOnlyList<FaultResult> Faults { get; init; }

    /// <summary>Orders that were answered.</summary>
    public required int Orders { get; init; }

    /// <summary>Orders that were not begun because too many were not answered yet.</summary>
    public required int HeldBack { get; init; }

    /// <summary>Requests that were sent, repeats included.</summary>
    public required int Requests { get; init; }

    public required int RepeatedOnPurpose { get; init; }

    /// <summary>Requests that were sent again because of what came, or did not come, by that.</summary>
    public required IReadOnlyDictionary<string, int> Failures { get; init; }

    /// <summary>Records of order.events that repeat an earlier one. Sinks drop them.</summary>
    public required long RepeatsInKafka { get; init; }

    /// <summary>Answers that were held against the event log.</summary>
    public required int Promises { get; init; }

    public required IReadOnlyList<Difference> Differences { get; init; }

    /// <summary>Answers that must never be.</summary>
    public required IReadOnlyList<string> Broken { get; init; }

    /// <summary>What is left in the views that must be empty when every saga is over.</summary>
    public required IReadOnlyList<string> Unsettled { get; init; }

    public required AuditOutcome Audit { get; init; }

    public int Lost => Differences.Count(difference => difference.Kind == DifferenceKind.Lost);

    public int Doubled => Differences.Count(difference => difference.Kind == DifferenceKind.Doubled);

    public int Altered => Differences.Count(difference => difference.Kind == DifferenceKind.Altered);

    /// <summary>Recovery over all faults but those that are no measure.</summary>
    public Percentiles Recovery => Of(Faults.Where(fault => !Apart.Contains(fault.Kind)));

    /// <summary>Recovery by kind.</summary>
    public IReadOnlyDictionary<string, Percentiles> RecoveryByKind => Faults.GroupBy(fault => fault.Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal).ToDictionary(kind => kind.Key, Of);

    /// <summary>Nothing lost, doubled or altered, every saga at its end, every fault recovered from.</summary>
    public bool IsTrue => Differences.Count == 0 && Broken.Count == 0 && Unsettled.Count == 0 && Audit.IsWell && Faults.All(fault => fault is { Error: null, Recovery.Ms: not null });

    /// <summary>The p99 of recovery is within its objective.</summary>
    public bool IsFast => Recovery.P99Ms <= RecoveryObjectiveSeconds * 1000;

    /// <summary>In one sentence.</summary>
    public string Verdict =>
        (IsTrue ? "Good: nothing lost, nothing doubled, every saga at its end" : "BAD: not as promised, see below")
        + (IsFast ? "" : $"; but recovery is slower than the objective of {RecoveryObjectiveSeconds.ToString(CultureInfo.InvariantCulture)} s") + ".";

    /// <summary>Writes chaos.md and chaos.json.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "chaos.md"), Text());
        File.WriteAllText(Path.Combine(folder, "chaos.json"), JsonSerializer.Serialize(this, Json));
    }

    /// <summary>As a person reads it.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(FormattableString.Invariant(line));

        Line($"# Chaos\n");
        Line($"**{Verdict}**\n");
        Line($"`dotnet run --project OrderPlatform.Bench -- chaos --seed {Seed} --minutes {Seconds / 60:0.#} --rate {PerSecond}` against a running standalone host{(FaultyNetwork ? " with `--fault-port`" : "")}, {StartedAt:yyyy-MM-dd HH:mm} UTC, {Machine}, {string.Join(", ", Versions.Select(version => $"{version.Key} {version.Value}"))}; load average {string.Join(" before and ", LoadAverage)} after.\n");
        Line($"{Faults.Count(fault => fault.Kind != "calm")} faults in {Seconds:0} s. {Orders:N0} orders ({HeldBack:N0} more were held back while too many were not answered), {Requests:N0} requests, {RepeatedOnPurpose:N0} of the orders' requests sent twice on purpose; requests sent again: {(Failures.Count == 0 ? "none" : string.Join(", ", Failures.OrderBy(failure => failure.Key, StringComparer.Ordinal).Select(failure => $"{failure.Value:N0} after {Named(failure.Key)}")))}. {RepeatsInKafka:N0} records of order.events are repeats, which sinks drop.\n");
        Line($"| lost | doubled | altered | impossible answers | unfinished sagas, wrong books | audits |\n|---:|---:|---:|---:|---:|---|");
        Line($"| {Lost} | {Doubled} | {Altered} | {Broken.Count} | {Unsettled.Count} | {Audit.State} |\n");
        Line($"Held against each other: {Promises:N0} answers with the event log; the orders with Kafka, the order view, Redis and ClickHouse's facts, each order by version, number of events, status and money; sums of ClickHouse's views and of Redis; the views saga_unsettled, stock_difference and gateway_difference.\n");
        Findings(text);
        Line($"## Recovery\n");
        Line($"From the blow, or from the end of a fault that lasts, until an order placed afterwards is answered and seen in the Api, Kafka, Redis, the order view and ClickHouse. calm is no fault at all; flush builds Redis again from the whole log. Both are left out of the last row.\n");
        Line($"| kind | faults | p50 ms | p95 ms | p99 ms | max ms |\n|---|---:|---:|---:|---:|---:|");
        foreach (var (kind, of) in RecoveryByKind.Append(KeyValuePair.Create("all", Recovery)))
        {
            Line($"| {kind} | {of.Count} | {of.P50Ms:0} | {of.P95Ms:0} | {of.P99Ms:0} | {of.MaxMs:0} |");
        }
        Line($"\n## Faults\n");
        Line($"| # | at s | fault | lasted ms | recovery ms | slowest |\n|---:|---:|---|---:|---:|---|");
        foreach (var fault in Faults)
        {
            Line($"| {fault.Number} | {fault.AtSeconds} | {fault.Kind} {fault.Target} | {fault.LengthMs} | {fault.Recovery.Ms?.ToString("0", CultureInfo.InvariantCulture) ?? "never"} | {fault.Error ?? fault.Recovery.Places.MaxBy(place => place.Value ?? double.MaxValue).Key} |");
        }
        Line($"\nNot reached: clock steps (every process reads the machine's clock; the runner cannot set it for one of them), a slow disk (the slow network before PostgreSQL stands for it), the loss of power.");
        return text.ToString();
    }

    private void Findings(StringBuilder text)
    {
        foreach (var finding in (IEnumerable<string>)[.. Differences.Take(Shown).Select(difference => difference.ToString()), .. Broken.Take(Shown), .. Unsettled])
        {
            text.Append("- ").AppendLine(finding);
        }
        if (Differences.Count + Broken.Count + Unsettled.Count > 0)
        {
            text.AppendLine();
        }
    }

    private static string Named(string failure) => char.IsAsciiDigit(failure[0]) ? $"status {failure}" : failure;

    private static Percentiles Of(IEnumerable<FaultResult> faults) => Percentiles.Of(faults.Select(fault => fault.Recovery.Ms).OfType<double>());
}
