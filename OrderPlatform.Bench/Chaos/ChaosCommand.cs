using OrderPlatform.Engines.Getting;

namespace OrderPlatform.Bench.Chaos;

/// <summary>`chaos`: faults by a seed on a running standalone host, shown while they happen, and a report of what is left.</summary>
internal static class ChaosCommand
{
    /// <returns>0 when nothing was lost or doubled and recovery is within its objective.</returns>
    public static async Task<int> RunAsync(RunningHost host, ChaosOptions options, IReadOnlyList<string> only, string resultsFolder, CancellationToken cancellation)
    {
        if (host.Path is null)
        {
            throw new BenchException("Chaos needs a standalone host of this repository: start one with `dotnet run --project OrderPlatform.AppHost -- --fault-port 5081`.");
        }
        if (ChaosPlan.By(options.Seed).Take(ChaosPlan.RoundLength).All(fault => !IsWanted(fault, only)))
        {
            throw new BenchException($"--only {string.Join(' ', only)} names no fault.");
        }
        var librdkafka = await Librdkafka.GetAsync(EngineCache.User, cancellation);
        Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", librdkafka);
        var run = new ChaosRun(host, options, librdkafka);
        var report = await ChaosView.ShowAsync(run, run.RunAsync(ChaosPlan.By(options.Seed).Where(fault => IsWanted(fault, only)).Select(fault => fault.Lasting(options.FaultLength)), cancellation));
        report.Write(resultsFolder);
        Console.WriteLine(report.Text());
        return report.IsTrue && report.IsFast ? 0 : 1;
    }

    private static bool IsWanted(Fault fault, IReadOnlyList<string> only) => only.Count == 0 || only.Contains(fault.Kind) || only.Contains(fault.Name);
}
