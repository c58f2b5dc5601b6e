using System.Globalization;
using Spectre.Console;

namespace OrderPlatform.Bench.Chaos;

/// <summary>The picture of a run while it goes on; a line for each fault where nobody looks at a terminal.</summary>
internal static class ChaosView
{
    private const int Latest = 12;
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(500);

    /// <summary>Shows a run until it has ended, and gives its report.</summary>
    public static async Task<ChaosReport> ShowAsync(ChaosRun run, Task<ChaosReport> running)
    {
        if (AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected)
        {
            await AnsiConsole.Live(Picture(run)).StartAsync(async live =>
            {
                while (!running.IsCompleted)
                {
                    live.UpdateTarget(Picture(run));
                    await Task.WhenAny(running, Task.Delay(Refresh));
                }
            });
        }
        else
        {
            await PrintAsync(run, running);
        }
        return await running;
    }

    private static async Task PrintAsync(ChaosRun run, Task running)
    {
        var (printed, now) = (0, "");
        while (!running.IsCompleted)
        {
            foreach (var fault in run.Faults.Skip(printed))
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{fault.AtSeconds,7:0.0} s  {fault.Kind} {fault.Target}: recovered after {Ms(fault.Recovery.Ms)} ms; {run.Load?.Placed:N0} of {run.Load?.Sent:N0} orders answered"));
                printed++;
            }
            if (run.Now != now && run.Now.StartsWith("waiting", StringComparison.Ordinal))
            {
                Console.WriteLine(now = run.Now);
            }
            await Task.WhenAny(running, Task.Delay(Refresh));
        }
    }

    private static Rows Picture(ChaosRun run)
    {
        var table = new Table().AddColumns("#", "at s", "fault", "recovered ms", "Api", "Kafka", "Redis", "order view", "ClickHouse");
        foreach (var fault in run.Faults.TakeLast(Latest))
        {
            table.AddRow(
            [
                Number(fault.Number), Number(fault.AtSeconds), Markup.Escape($"{fault.Kind} {fault.Target}"), Ms(fault.Recovery.Ms),
                .. ((string[])["Api", "Kafka", "Redis", "order view", "ClickHouse"]).Select(place => Ms(fault.Recovery.Places.GetValueOrDefault(place))),
            ]);
        }
        return new Rows(
            table,
            new Markup(string.Create(CultureInfo.InvariantCulture, $"{run.Elapsed.TotalSeconds:0} s: {run.Load?.Sent ?? 0:N0} orders sent, {run.Load?.Placed ?? 0:N0} answered, {run.Load?.Failures.Values.Sum() ?? 0:N0} requests sent again, [{(run.Load?.Broken.Count > 0 ? "red" : "green")}]{run.Load?.Broken.Count ?? 0} impossible answers[/]")),
            new Markup($"Now: [yellow]{Markup.Escape(run.Now)}[/]"));
    }

    private static string Number(double number) => number.ToString("0.#", CultureInfo.InvariantCulture);

    private static string Ms(double? ms) => ms?.ToString("0", CultureInfo.InvariantCulture) ?? "never";
}
