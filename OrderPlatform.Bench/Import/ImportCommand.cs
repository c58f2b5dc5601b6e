using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using Spectre.Console;

namespace OrderPlatform.Bench.Import;

/// <summary>
/// Replays a file of orders through the Api, each at its own date. A key a line makes it safe to repeat: what is there
/// already is answered from the record, so a second run changes nothing.
/// </summary>
public static class ImportCommand
{
    private const int Clients = 16;
    private const int Attempts = 20;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Imports the file, then shows its totals beside those of every store.</summary>
    /// <returns>0 when they are equal.</returns>
    public static async Task<int> RunAsync(string file, RunningHost host, CancellationToken cancellation)
    {
        var orders = SourceOrder.ReadFile(file);
        using var api = host.Client(Clients);
        var since = Stopwatch.GetTimestamp();
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(async progress =>
        {
            var task = progress.AddTask($"{orders.Count:N0} orders", maxValue: orders.Count);
            await Parallel.ForEachAsync(orders, new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancellation }, async (order, stop) =>
            {
                await SendAsync(api, Path.GetFileName(file), order, stop);
                task.Increment(1);
            });
        });
        var elapsed = Stopwatch.GetElapsedTime(since);
        AnsiConsole.WriteLine($"{orders.Count:N0} orders in {elapsed.TotalSeconds:0.0} s: {orders.Count / elapsed.TotalSeconds:N0} orders/s.");
        return await MonthlyTotals.CompareAsync(orders, host, api, cancellation) ? 0 : 1;
    }

    private static async Task SendAsync(HttpClient api, string fileName, SourceOrder order, CancellationToken cancellation)
    {
        var body = new
        {
            customerId = order.CustomerId,
            currency = "USD",
            items = order.Items().Select(item => new { productId = item.ProductId, quantity = item.Quantity, unitPrice = item.UnitPrice }),
            occurredAt = order.Date.ToString("O", CultureInfo.InvariantCulture) + "T00:00:00Z",
        };
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/orders") { Content = JsonContent.Create(body) };
                request.Headers.Add("Idempotency-Key", $"import:{fileName}:{order.Line}");
                using var response = await api.SendAsync(request, cancellation);
                if (response.StatusCode == HttpStatusCode.Created)
                {
                    return;
                }
                var problem = $"Line {order.Line} was answered with {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellation)}";
                if (attempt == Attempts || (response.StatusCode is not (HttpStatusCode.Conflict or HttpStatusCode.TooManyRequests) && (int)response.StatusCode < 500))
                {
                    throw new BenchException(problem);
                }
            }
            catch (HttpRequestException e) when (attempt < Attempts)
            {
                // the same key makes a repeat harmless, whether or not the first try was done
                AnsiConsole.MarkupLineInterpolated($"[grey]Line {order.Line}: {e.Message} Trying again.[/]");
            }
            var pause = TimeSpan.FromMilliseconds(50 * attempt * (0.5 + Random.Shared.NextDouble()));
            await Task.Delay(pause < LongestPause ? pause : LongestPause, cancellation);
        }
    }
}
