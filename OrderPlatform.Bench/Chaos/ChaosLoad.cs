using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OrderPlatform.Bench.Load;

namespace OrderPlatform.Bench.Chaos;

/// <summary>What an answer of the Api has promised: this version of the order, for good.</summary>
/// <param name="Amount">The order's total.</param>
internal sealed record Promise(string OrderId, int Version, string Status, decimal Amount);

/// <summary>
/// Customers who do not give up: what is not answered is sent again under the same key, some requests are sent twice on purpose,
/// at once or later. Every answer is kept as a promise. Their names make the payment gateway decline, stay silent and answer twice.
/// </summary>
/// <param name="api">The Api's client, with the key.</param>
/// <param name="run">Begins the ids of all customers and products of this run.</param>
/// <param name="seed">Makes the orders.</param>
internal sealed class ChaosLoad(HttpClient api, string run, int seed)
{
    private const int Customers = 200;
    private const int Products = 20;
    private const int PlentyOfPieces = 1_000_000;
    private const int FewPieces = 500;

    // more would be a storm of repeats, which keeps down what it wants to see up again
    private const int MaxUnderWay = 200;
    private static readonly TimeSpan AnswerBound = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ConcurrentQueue<Promise> _promises = [];
    private readonly ConcurrentQueue<string> _broken = [];
    private readonly ConcurrentDictionary<string, int> _failures = [];
    private int _orders;
    private int _underWay;
    private int _heldBack;
    private int _placed;
    private int _requests;
    private int _repeats;

    /// <summary>All that was promised.</summary>
    public IReadOnlyCollection<Promise> Promises => _promises;

    /// <summary>Answers that must never be: refusals of what is right, different answers to the same request, none at all.</summary>
    public IReadOnlyCollection<string> Broken => _broken;

    /// <summary>How often a request failed and was sent again, by the answer's status or the error.</summary>
    public IReadOnlyDictionary<string, int> Failures => _failures;

    /// <summary>Orders that were begun.</summary>
    public int Sent => _orders;

    /// <summary>Orders that were answered.</summary>
    public int Placed => _placed;

    /// <summary>Orders that were not begun because too many were under way.</summary>
    public int HeldBack => _heldBack;

    /// <summary>Requests sent, repeats included.</summary>
    public int Requests => _requests;

    /// <summary>Requests sent twice on purpose.</summary>
    public int Repeats => _repeats;

    /// <summary>Begins the customer ids of this run.</summary>
    public string CustomerPrefix => run + "-";

    /// <summary>Makes the run's products, the last of them scarce.</summary>
    public async Task StockAsync(CancellationToken cancellation)
    {
        for (var number = 0; number < Products; number++)
        {
            using var made = await api.PutAsJsonAsync($"/products/{run}-p{number}", new { name = $"Chaos {number}", price = 2.50m, currency = "USD" }, cancellation);
            made.EnsureSuccessStatusCode();
            using var received = await api.SendAsync(OrderLoad.Post($"/inventory/{run}-p{number}/receipts", $$"""{"quantity":{{(number == Products - 1 ? FewPieces : PlentyOfPieces)}}}""", $"{run}-stock-{number}"), cancellation);
            received.EnsureSuccessStatusCode();
        }
    }

    /// <summary>Places one order, and perhaps changes or cancels it. It fails never: what must not be is kept in <see cref="Broken"/>.</summary>
    public async Task OneAsync(CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _underWay) > MaxUnderWay)
        {
            Interlocked.Increment(ref _heldBack);
        }
        else
        {
            await PlaceAsync(cancellation);
        }
        Interlocked.Decrement(ref _underWay);
    }

    private async Task PlaceAsync(CancellationToken cancellation)
    {
        var number = Interlocked.Increment(ref _orders);
        var random = new Random(unchecked((seed * 1_000_003) + number));
        var key = $"{run}-{number}";
        var body = $$"""{"customerId":"{{Customer(random)}}","currency":"USD","items":{{Items(random)}}}""";
        if (await PostAsync("/orders", body, key, HttpStatusCode.Created, random, cancellation) is not { } order)
        {
            return;
        }
        Interlocked.Increment(ref _placed);
        switch (random.Next(10))
        {
            case 0:
                await ChangeAsync(order, $$"""{"items":{{Items(random)}}}""", cancellation);
                break;
            case 1:
                await Task.Delay(random.Next(6000), cancellation);
                await PostAsync($"/orders/{order.OrderId}/cancel", """{"reason":"chaos"}""", key + "-cancel", HttpStatusCode.OK, random, cancellation);
                break;
        }
    }

    private async Task<Promise?> PostAsync(string path, string body, string key, HttpStatusCode done, Random random, CancellationToken cancellation)
    {
        Task<Answered?> Send() => AnsweredAsync(() => OrderLoad.Post(path, body, key), cancellation);

        var (atOnce, later) = (random.Next(20) == 0, random.Next(20) == 0);
        var first = Send();
        var answers = new List<Answered?> { await first };
        if (atOnce || later)
        {
            Interlocked.Increment(ref _repeats);
            answers.AddRange(atOnce ? await Task.WhenAll(Send(), Send()) : [await Send()]);
        }
        if (answers.Any(answer => answer is null))
        {
            _broken.Enqueue($"{path} with key {key} was not answered within {AnswerBound.TotalMinutes} minutes");
            return null;
        }
        if (answers.Distinct().Count() > 1)
        {
            _broken.Enqueue($"{path} with key {key} was answered in different ways: {string.Join(" | ", answers.Distinct())}");
        }
        return Kept(answers[0]!, done, path);
    }

    // A change has no key: once an answer is lost, a later 412 or 409 may be the change's own doing, and nothing was promised.
    private async Task ChangeAsync(Promise order, string body, CancellationToken cancellation)
    {
        var path = $"/orders/{order.OrderId}/items";
        var answer = await AnsweredAsync(() =>
        {
            var request = new HttpRequestMessage(HttpMethod.Patch, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{order.Version}\"");
            return request;
        }, cancellation);
        if (answer is { Status: not (HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict) })
        {
            Kept(answer, HttpStatusCode.OK, path);
        }
    }

    private Promise? Kept(Answered answer, HttpStatusCode done, string path)
    {
        if (answer.Status == done)
        {
            var order = JsonElement.Parse(answer.Body);
            var promise = new Promise(order.GetProperty("id").GetString()!, order.GetProperty("version").GetInt32(), order.GetProperty("status").GetString()!, order.GetProperty("totalAmount").GetDecimal());
            _promises.Enqueue(promise);
            return promise;
        }
        if (answer.Status != HttpStatusCode.Conflict) // too late to cancel
        {
            _broken.Enqueue($"{path} was answered with {(int)answer.Status}: {answer.Body}");
        }
        return null;
    }

    private async Task<Answered?> AnsweredAsync(Func<HttpRequestMessage> request, CancellationToken cancellation)
    {
        var pause = TimeSpan.FromMilliseconds(50);
        for (var since = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(since) < AnswerBound; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            Interlocked.Increment(ref _requests);
            try
            {
                using var message = request();
                using var response = await api.SendAsync(message, cancellation);
                var body = await response.Content.ReadAsStringAsync(cancellation);
                if ((int)response.StatusCode < 500 && response.Headers.RetryAfter is null)
                {
                    return new Answered(response.StatusCode, body);
                }
                Failed(((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !cancellation.IsCancellationRequested)
            {
                Failed(e is TaskCanceledException ? "no answer in time" : "connection lost");
            }
            await Task.Delay(pause, cancellation);
        }
        return null;
    }

    private void Failed(string how) => _failures.AddOrUpdate(how, 1, (_, count) => count + 1);

    private string Customer(Random random) => $"{run}-c{random.Next(Customers)}" + random.Next(100) switch
    {
        < 4 => "-declined",
        < 7 => "-timeout",
        < 12 => "-twice",
        _ => "",
    };

    private string Items(Random random) =>
        "[" + string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $$"""{"productId":"{{run}}-p{{random.Next(Products)}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(1, 10_000) / 100m}}}""")) + "]";

    private sealed record Answered(HttpStatusCode Status, string Body);
}
