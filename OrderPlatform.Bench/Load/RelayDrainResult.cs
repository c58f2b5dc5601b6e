using System.Globalization;
using System.Text.Json;
using OrderPlatform.Contracts;

namespace OrderPlatform.Bench.Load;

/// <summary>One drain of the backlog.</summary>
/// <param name="RelayCpu">Microseconds of CPU for each event.</param>
/// <param name="PostgresCpu">Likewise.</param>
/// <param name="KafkaCpu">Likewise.</param>
/// <param name="ResidentMegabytes">Of the relay at the end.</param>
internal sealed record RelayDrainPass(double EventsPerSecond, double RelayCpu, double PostgresCpu, double KafkaCpu, double ResidentMegabytes);

/// <summary>Floors and drains in turn; floors in events a second.</summary>
internal sealed record RelayDrainRound(double Copy, double Wal, double Produce, RelayDrainPass Polling, RelayDrainPass Cdc)
{
    /// <summary>For whoever watches.</summary>
    internal string Text => string.Create(CultureInfo.InvariantCulture,
        $"COPY {Copy:N0}, WAL {Wal:N0}, producing {Produce:N0}, polling {Polling.EventsPerSecond:N0}, CDC {Cdc.EventsPerSecond:N0} events/s");
}

/// <summary>A mode beside its floors, all medians.</summary>
/// <param name="ReadingFloor">Reading alone, events a second.</param>
/// <param name="ProducingFloor">Producing alone, events a second.</param>
internal sealed record RelayDrainMode(string Mode, double ReadingFloor, double ProducingFloor, RelayDrainPass Drain)
{
    /// <summary>Of the slower floor.</summary>
    public double Ratio => Drain.EventsPerSecond / Math.Min(ReadingFloor, ProducingFloor);
}

/// <summary>What relay-drain.md and relay-drain.json say.</summary>
internal sealed record RelayDrainResult(string Machine, int Events, int Rounds, IReadOnlyList<RelayDrainMode> Modes)
{
    private const double TargetRatio = 0.6;

    /// <summary>Whether each mode reaches its part of its slower floor.</summary>
    internal bool MeetsTargets => Modes.All(mode => mode.Ratio >= TargetRatio);

    /// <summary>Medians of the rounds.</summary>
    public static RelayDrainResult Of(int events, IReadOnlyList<RelayDrainRound> rounds)
    {
        double Median(Func<RelayDrainRound, double> of) => Math.Round(Percentiles.Median(rounds.Select(of)), 1);
        RelayDrainPass Drain(Func<RelayDrainRound, RelayDrainPass> of) => new(
            Median(round => of(round).EventsPerSecond), Median(round => of(round).RelayCpu), Median(round => of(round).PostgresCpu), Median(round => of(round).KafkaCpu), Median(round => of(round).ResidentMegabytes));
        return new RelayDrainResult(Bench.Machine.Description, events, rounds.Count,
        [
            new("Polling", Median(round => round.Copy), Median(round => round.Produce), Drain(round => round.Polling)),
            new("Cdc", Median(round => round.Wal), Median(round => round.Produce), Drain(round => round.Cdc)),
        ]);
    }

    /// <summary>The table.</summary>
    public string Markdown() => string.Create(CultureInfo.InvariantCulture,
        $"""
        # The relay's throughput

        `dotnet run -c Release --project OrderPlatform.Bench -- relay-drain --events {Events}`, {Machine}; PostgreSQL, broker, relay and the benchmark share the cores.
        A backlog of {Events:N0} events of about 500 bytes, {RelayDrainBed.EventsPerTransaction} in a transaction, each with a key of its own, from the event log to the embedded broker on {Topics.Partitions} partitions. Medians of {Rounds} rounds in turn.
        From the first batch in Kafka to the last. Floors: the same events read with a binary COPY (polling) or with Npgsql's logical replication (CDC) and dropped; the same records produced by Confluent.Kafka with the relay's settings.

        | mode | events/s | reading alone | producing alone | part of the slower floor | µs of CPU per event: relay | PostgreSQL | broker | resident MB |
        |---|---:|---:|---:|---:|---:|---:|---:|---:|
        {string.Join('\n', Modes.Select(Row))}

        """);

    /// <summary>Writes both files.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "relay-drain.json"), JsonSerializer.Serialize(this, Bench.Machine.Json) + "\n");
        File.WriteAllText(Path.Combine(folder, "relay-drain.md"), Markdown());
    }

    private static string Row(RelayDrainMode mode) => string.Create(CultureInfo.InvariantCulture,
        $"| {mode.Mode} | {mode.Drain.EventsPerSecond:N0} | {mode.ReadingFloor:N0} | {mode.ProducingFloor:N0} | {mode.Ratio:0.00} | {mode.Drain.RelayCpu:0.0} | {mode.Drain.PostgresCpu:0.0} | {mode.Drain.KafkaCpu:0.0} | {mode.Drain.ResidentMegabytes:0} |");
}
