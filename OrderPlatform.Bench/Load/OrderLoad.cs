using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;

namespace OrderPlatform.Bench.Load;

/// <summary>Places orders through the Api at a rate.</summary>
internal static class OrderLoad
{
    private const int Customers = 500;

    /// <summary>The first of the development products, which have stock.</summary>
    private const int Products = 10;

    /// <summary>A request that places one order of one to three lines.</summary>
    public static HttpRequestMessage Place(Random random)
    {
        var items = string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $$"""{"productId":"cd-{{random.Next(Products) + 1:0000}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(10_000) / 100m}}}"""));
        return Post("/orders", $$"""{"customerId":"c-{{random.Next(Customers)}}","currency":"USD","items":[{{items}}]}""", Guid.NewGuid().ToString());
    }

    /// <summary>A POST with its key.</summary>
    public static HttpRequestMessage Post(string path, string body, string key)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")) };
        request.Headers.Add("Idempotency-Key", key);
        return request;
    }

    /// <summary>Calls <paramref name="send"/> at an even rate, whether or not earlier calls have ended, and returns when all have.</summary>
    public static Task AtRateAsync(int perSecond, TimeSpan duration, Func<Task> send, CancellationToken cancellation) =>
        AtRateAsync(perSecond, elapsed => elapsed < duration, send, cancellation);

    /// <summary>Calls <paramref name="send"/> at an even rate for as long as <paramref name="goesOn"/> says so of the time that has passed, and returns when all calls have.</summary>
    public static async Task AtRateAsync(int perSecond, Func<TimeSpan, bool> goesOn, Func<Task> send, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        var sent = new List<Task>();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (Stopwatch.GetElapsedTime(since) is var elapsed && goesOn(elapsed))
        {
            while (sent.Count < elapsed.TotalSeconds * perSecond)
            {
                sent.Add(send());
            }
            await timer.WaitForNextTickAsync(cancellation);
        }
        await Task.WhenAll(sent);
    }
}
