using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Spectre.Console;

namespace OrderPlatform.Bench.Rebuilding;

/// <summary>Rebuilds a projection of a running platform, or feeds it again from an offset or a time on, and shows how far it is.</summary>
public static class RebuildCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    /// <summary>Asks for a rebuild, or for a reset when an offset or a time is given, and stays until its end.</summary>
    /// <param name="projection">order-view, rankings or sales-facts.</param>
    /// <param name="onlyCompare">Build and compare, and throw the result away.</param>
    /// <returns>0 when it is done.</returns>
    /// <exception cref="BenchException">The Api refuses it.</exception>
    public static async Task<int> RunAsync(RunningHost host, string projection, string reason, bool onlyCompare, long? fromOffset, string? fromTime, CancellationToken cancellation)
    {
        using var api = host.Client(1);
        var requested = fromOffset is null && fromTime is null
            ? await RequestAsync(api, "/operations/rebuilds", new { projection, reason, onlyCompare }, cancellation)
            : await RequestAsync(api, $"/operations/projections/{Uri.EscapeDataString(projection)}/reset", fromTime is null ? (object)new { reason, offset = fromOffset } : new { reason, time = fromTime }, cancellation);
        var ended = await WatchAsync(api, requested.GetProperty("id").GetString()!, projection, cancellation);
        Print(ended);
        return ended.GetProperty("state").GetString() == "done" ? 0 : 1;
    }

    /// <summary>Waits for the end of a rebuild behind a bar.</summary>
    internal static async Task<JsonElement> WatchAsync(HttpClient api, string id, string projection, CancellationToken cancellation) =>
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(async bars =>
        {
            var bar = bars.AddTask(projection, maxValue: double.MaxValue);
            while (true)
            {
                var rebuild = JsonElement.Parse(await api.GetStringAsync($"/operations/rebuilds/{id}", cancellation));
                if (rebuild.GetProperty("progress") is { ValueKind: JsonValueKind.Object } progress)
                {
                    bar.MaxValue = Math.Max(1, progress.GetProperty("eventsTotal").GetInt64());
                    bar.Value = progress.GetProperty("eventsDone").GetInt64();
                }
                bar.Description = $"{projection}: {rebuild.GetProperty("state").GetString()}{RateOf(rebuild)}";
                if (rebuild.GetProperty("finishedAt").ValueKind != JsonValueKind.Null)
                {
                    return rebuild;
                }
                await Task.Delay(Poll, cancellation);
            }
        });

    /// <summary>Sends a request that is worked on later.</summary>
    internal static async Task<JsonElement> RequestAsync<T>(HttpClient api, string path, T body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        using var response = await api.SendAsync(request, cancellation);
        var answer = JsonElement.Parse(await response.Content.ReadAsStringAsync(cancellation));
        return response.IsSuccessStatusCode ? answer : throw new BenchException(answer.GetProperty("detail").GetString()!);
    }

    private static string RateOf(JsonElement rebuild) =>
        rebuild.GetProperty("progress") is { ValueKind: JsonValueKind.Object } progress && progress.GetProperty("eventsPerSecond") is { ValueKind: JsonValueKind.Number } rate
            ? string.Create(CultureInfo.InvariantCulture, $", {rate.GetInt64():N0} events/s")
            : "";

    private static void Print(JsonElement rebuild)
    {
        if (rebuild.GetProperty("comparison") is { ValueKind: JsonValueKind.Object } comparison)
        {
            AnsiConsole.WriteLine(comparison.GetProperty("equal").GetBoolean() ? "Live and rebuilt store are equal." : "Live and rebuilt store differ:");
            foreach (var store in (string[])["live", "rebuilt"])
            {
                AnsiConsole.WriteLine($"  {store,-8} {comparison.GetProperty(store)}");
            }
        }
        AnsiConsole.WriteLine($"{rebuild.GetProperty("state").GetString()} {rebuild.GetProperty("problem")}".TrimEnd());
    }
}
