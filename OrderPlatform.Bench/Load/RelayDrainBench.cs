using System.Diagnostics;
using OrderPlatform.Contracts;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Load;

/// <summary>
/// How fast a backlog leaves the event log, in each mode of the relay, beside its floors: reading the same events alone, and
/// producing the same records alone. On engines of its own, in turns in one run.
/// </summary>
internal static class RelayDrainBench
{
    private const int Rounds = 3;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(30);

    /// <summary>Drains that many events in each mode, several times, and writes relay-drain.md and .json.</summary>
    public static async Task<int> RunAsync(int events, string resultsFolder, CancellationToken cancellation)
    {
        KafkaLibrary.Load();
        await using var bed = await RelayDrainBed.CreateAsync(events, cancellation);
        var rounds = new List<RelayDrainRound>();
        while (rounds.Count < Rounds)
        {
            rounds.Add(new RelayDrainRound(
                await RelayDrainFloors.CopyAsync(bed, events, cancellation),
                await RelayDrainFloors.WalAsync(bed, events, cancellation),
                await InEmptyKafkaAsync(bed, () => RelayDrainFloors.ProduceAsync(bed, events, cancellation), cancellation),
                await InEmptyKafkaAsync(bed, () => DrainAsync(bed, RelayMode.Polling, events, cancellation), cancellation),
                await InEmptyKafkaAsync(bed, () => DrainAsync(bed, RelayMode.Cdc, events, cancellation), cancellation)));
            Console.WriteLine(rounds[^1].Text);
        }
        var result = RelayDrainResult.Of(events, rounds);
        result.Write(resultsFolder);
        Console.WriteLine(result.Markdown());
        return result.MeetsTargets ? 0 : 1;
    }

    private static async Task<T> InEmptyKafkaAsync<T>(RelayDrainBed bed, Func<Task<T>> measure, CancellationToken cancellation)
    {
        await bed.EmptyKafkaAsync(cancellation);
        return await measure();
    }

    // from the first batch in Kafka to the last: the start of a process is another matter
    private static async Task<RelayDrainPass> DrainAsync(RelayDrainBed bed, RelayMode mode, int events, CancellationToken cancellation)
    {
        var slot = mode == RelayMode.Cdc ? await bed.SlotAsync(cancellation) : null;
        await bed.RewindAsync(slot, cancellation);
        using var kafka = KafkaClients.Reader(bed.Engines.Kafka.Address);
        await using var relay = bed.Engines.StartRelay(mode, slot ?? "none");
        var (first, firstAt, cpu) = (0L, 0L, (Relay: 0.0, Postgres: 0.0, Kafka: 0.0));
        var (published, progressAt) = (0L, Stopwatch.GetTimestamp());
        while (published < events)
        {
            await Task.Delay(Poll, cancellation);
            var before = published;
            published = OrderEvents.Ends(kafka).Sum(end => end.Offset.Value);
            if (published > before)
            {
                progressAt = Stopwatch.GetTimestamp();
            }
            if (first == 0 && published > 0)
            {
                (first, firstAt, cpu) = (published, Stopwatch.GetTimestamp(), Cpu());
            }
            if (Stopwatch.GetElapsedTime(progressAt) > Stall)
            {
                throw new BenchException($"The relay stopped at {published:N0} of {events:N0} events: its log above says why.");
            }
        }
        var (seconds, after, counted) = (Stopwatch.GetElapsedTime(firstAt).TotalSeconds, Cpu(), events - first);
        using var process = Process.GetProcessById(relay.Process.Id);
        var pass = new RelayDrainPass(
            counted / seconds, (after.Relay - cpu.Relay) / counted, (after.Postgres - cpu.Postgres) / counted, (after.Kafka - cpu.Kafka) / counted, process.WorkingSet64 / 1_000_000);
        await relay.Process.StopAsync();
        if (slot is not null)
        {
            await bed.DropAsync(slot, cancellation);
        }
        return pass;

        (double Relay, double Postgres, double Kafka) Cpu() => (CpuTime.OfTree(relay.Process.Id), CpuTime.OfTree(bed.Engines.Postgres.Process.Id), CpuTime.OfTree(bed.Engines.Kafka.Process.Id));
    }
}
