using System.Net;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.Relay;

/// <summary>Customers who register, order and move house all the time, and ask again while nobody answers, until they are disposed of.</summary>
internal sealed class SteadyCustomers : IAsyncDisposable
{
    private const int Customers = 4;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly HttpClient _api;
    private readonly string _product;
    private readonly CancellationTokenSource _enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
    private readonly Task _living;
    private int _orders;

    public SteadyCustomers(HttpClient api, string product)
    {
        (_api, _product) = (api, product);
        _living = Task.WhenAll(Enumerable.Range(0, Customers).Select(_ => LiveAsync()));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Orders that were answered.</summary>
    public int Orders => _orders;

    /// <summary>Waits until they have placed some more orders.</summary>
    public async Task OrderMoreAsync()
    {
        var enough = _orders + (5 * Customers);
        while (_orders < enough)
        {
            var ended = await Task.WhenAny(_living, Task.Delay(Pace, Cancellation));
            await ended; // one that failed says why
        }
    }

    /// <summary>Lets each finish what it is at.</summary>
    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _living;
        _enough.Dispose();
    }

    private async Task LiveAsync()
    {
        var customer = $"c-{Guid.NewGuid():N}";
        var registration = Guid.NewGuid().ToString();
        await AnsweredAsync(HttpStatusCode.Created, () => OrderRequests.Post("/customers", $$"""{"id":"{{customer}}","name":"Ada","email":"ada@example.com"}""", registration));
        for (var round = 1; !_enough.IsCancellationRequested; round++)
        {
            var key = Guid.NewGuid().ToString();
            await AnsweredAsync(HttpStatusCode.Created, () => OrderRequests.Post("/orders", $$"""{"customerId":"{{customer}}","currency":"USD","items":[{"productId":"{{_product}}","quantity":1,"unitPrice":2.50}]}""", key));
            Interlocked.Increment(ref _orders);
            await AnsweredAsync(HttpStatusCode.OK, () => OrderRequests.Patch($"/customers/{customer}", $$"""{"address":"{{round}} Main Street"}""", "*"));
            await Task.Delay(Pace, Cancellation);
        }
    }

    private async Task AnsweredAsync(HttpStatusCode expected, Func<HttpRequestMessage> request)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(Bound);
        while (true)
        {
            try
            {
                using var message = request();
                using var response = await _api.SendAsync(message, bound.Token);
                if ((int)response.StatusCode < 500 && response.Headers.RetryAfter is null)
                {
                    response.StatusCode.ShouldBe(expected, await response.Content.ReadAsStringAsync(bound.Token));
                    return;
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !bound.IsCancellationRequested)
            {
                // the Api or what it needs is away
            }
            await Task.Delay(Pace, bound.Token);
        }
    }
}
