using System.Net;
using System.Text.Json.Nodes;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.Fire;

/// <summary>What a client knows of one of its orders from the answers it got.</summary>
internal sealed record KnownOrder(string Id, int Version, string Status, decimal TotalAmount);

/// <summary>
/// One client of the Api that does not give up: it repeats what was not answered, sends some requests twice on purpose, and
/// remembers what was promised to it. Only it touches its orders, so it knows what they must be.
/// </summary>
internal sealed class FireClient(HttpClient api, int seed, int number)
{
    private const int Customers = 5;
    private const int Products = 40;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Random _random = new(seed + number);
    private readonly List<KnownOrder> _orders = [];
    private int _requests;

    /// <summary>Its orders as they were last answered.</summary>
    public IReadOnlyList<KnownOrder> Orders => _orders;

    /// <summary>Places a number of orders, and changes and cancels some of them on the way.</summary>
    public async Task RunAsync(int orders, CancellationToken cancellation)
    {
        while (_orders.Count < orders)
        {
            await PlaceAsync(cancellation);
            var chance = _random.Next(100);
            if (chance < 12)
            {
                await ChangeAsync(_random.Next(_orders.Count), cancellation);
            }
            else if (chance < 20)
            {
                await CancelAsync(_random.Next(_orders.Count), cancellation);
            }
        }
    }

    private async Task PlaceAsync(CancellationToken cancellation)
    {
        var body = $$"""{"customerId":"c-{{_random.Next(Customers)}}-{{number}}","currency":"USD","items":{{Items()}}}""";
        _orders.Add(await PostAsync("/orders", body, HttpStatusCode.Created, cancellation));
    }

    private async Task CancelAsync(int index, CancellationToken cancellation) =>
        _orders[index] = await PostAsync($"/orders/{_orders[index].Id}/cancel", "", HttpStatusCode.OK, cancellation);

    // PATCH has no key: after a cut connection the order itself tells whether it was done
    private async Task ChangeAsync(int index, CancellationToken cancellation)
    {
        var before = _orders[index];
        var body = $$"""{"items":{{Items()}}}""";
        _orders[index] = await UntilAnsweredAsync(
            async () =>
            {
                using var response = await api.SendAsync(OrderRequests.Patch($"/orders/{before.Id}/items", body, $"\"{before.Version}\""), cancellation);
                return response.StatusCode switch
                {
                    HttpStatusCode.OK => await KnownAsync(response),
                    HttpStatusCode.Conflict when before.Status == "Cancelled" => before,
                    HttpStatusCode.PreconditionFailed => await ChangedAlreadyAsync(before, cancellation),
                    _ => null,
                };
            },
            cancellation);
    }

    private async Task<KnownOrder?> ChangedAlreadyAsync(KnownOrder before, CancellationToken cancellation)
    {
        using var response = await api.GetAsync($"/orders/{before.Id}", cancellation);
        var now = response.StatusCode == HttpStatusCode.OK ? await KnownAsync(response) : null;
        now?.Version.ShouldBe(before.Version + 1);
        return now;
    }

    private async Task<KnownOrder> PostAsync(string path, string body, HttpStatusCode done, CancellationToken cancellation)
    {
        var key = $"{seed}-{number}-{_requests++}";
        var text = await UntilAnsweredAsync(() => SendAsync(path, body, key, done, cancellation), cancellation);
        if (_random.Next(10) == 0)
        {
            (await UntilAnsweredAsync(() => SendAsync(path, body, key, done, cancellation), cancellation)).ShouldBe(text, "the answer to a repeat");
        }
        return Known(text);
    }

    private async Task<string?> SendAsync(string path, string body, string key, HttpStatusCode done, CancellationToken cancellation)
    {
        using var response = await api.SendAsync(OrderRequests.Post(path, body, key), cancellation);
        return response.StatusCode == done ? await response.Content.ReadAsStringAsync(cancellation)
            : (int)response.StatusCode >= 500 || response.StatusCode == HttpStatusCode.Conflict ? null
            : throw new InvalidOperationException($"{path} was answered with {response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellation)}");
    }

    private static async Task<T> UntilAnsweredAsync<T>(Func<Task<T?>> send, CancellationToken cancellation)
        where T : class
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                if (await send() is { } answer)
                {
                    return answer;
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !cancellation.IsCancellationRequested)
            {
                // the Api, or the connection to it, is being killed
            }
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, "an answer to a request that is repeated");
            await Task.Delay(Pause, cancellation);
        }
    }

    private string Items() =>
        "[" + string.Join(',', Enumerable.Range(0, _random.Next(1, 4)).Select(_ => $$"""{"productId":"p-{{_random.Next(Products)}}","quantity":{{_random.Next(1, 5)}},"unitPrice":{{_random.Next(10_000) / 100m}}}""")) + "]";

    private static async Task<KnownOrder> KnownAsync(HttpResponseMessage response) => Known(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

    private static KnownOrder Known(string text)
    {
        var order = JsonNode.Parse(text)!;
        return new KnownOrder((string)order["id"]!, (int)order["version"]!, (string)order["status"]!, (decimal)order["totalAmount"]!);
    }
}
