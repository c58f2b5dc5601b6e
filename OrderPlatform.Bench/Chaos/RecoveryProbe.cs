using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Bench.Load;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Bench.Chaos;

/// <summary>Milliseconds from a fault's end until an order placed after it was seen; null: not within the bound.</summary>
/// <param name="Ms">In every place.</param>
/// <param name="Places">In each place.</param>
internal sealed record Recovery(double? Ms, IReadOnlyDictionary<string, double?> Places);

/// <summary>An order placed after a fault, and looked for everywhere.</summary>
/// <param name="api">The Api's client, with the key.</param>
/// <param name="customer">Whose order it is: one of the run's.</param>
/// <param name="product">What is ordered.</param>
internal sealed class RecoveryProbe(HttpClient api, Stores stores, string customer, string product)
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan AttemptBound = TimeSpan.FromSeconds(1);

    private readonly List<Promise> _promises = [];

    /// <summary>What was promised to the probe itself.</summary>
    public IReadOnlyList<Promise> Promises => _promises;

    /// <summary>Places an order and waits until it is everywhere.</summary>
    /// <param name="since">Timestamp of the fault's end.</param>
    public async Task<Recovery> RunAsync(long since, CancellationToken cancellation)
    {
        var key = Guid.NewGuid().ToString();
        string? order = null;
        var placed = await SeenAsync(since, async stop => (order = await PlaceAsync(key, stop)) is not null, cancellation);
        if (order is null)
        {
            return new Recovery(Ms: null, new Dictionary<string, double?> { ["Api"] = null });
        }
        Dictionary<string, Task<double?>> seen = new()
        {
            ["Api"] = Task.FromResult(placed),
            ["read back"] = SeenAsync(since, stop => ReadAsync(order, stop), cancellation),
            ["Kafka"] = SeenAsync(since, _ => Task.FromResult(stores.Kafka.Orders.ContainsKey(order)), cancellation),
            ["Redis"] = SeenAsync(since, async _ => (await stores.Redis.StatusesAsync([order]))[0] is not null, cancellation),
            ["order view"] = SeenAsync(since, stop => stores.OrderViewHasAsync(order, stop), cancellation),
            ["ClickHouse"] = SeenAsync(since, stop => stores.FactsHaveAsync(order, stop), cancellation),
        };
        await Task.WhenAll(seen.Values);
        var places = seen.ToDictionary(place => place.Key, place => place.Value.Result);
        return new Recovery(places.Values.Any(ms => ms is null) ? null : places.Values.Max(), places);
    }

    private async Task<string?> PlaceAsync(string key, CancellationToken cancellation)
    {
        using var response = await api.SendAsync(OrderLoad.Post("/orders", $$"""{"customerId":"{{customer}}","currency":"USD","items":[{"productId":"{{product}}","quantity":1,"unitPrice":1.25}]}""", key), cancellation);
        if (response.StatusCode != HttpStatusCode.Created)
        {
            return null;
        }
        var id = JsonElement.Parse(await response.Content.ReadAsStringAsync(cancellation)).GetProperty("id").GetString()!;
        _promises.Add(new Promise(id, 1, "Pending", 1.25m));
        return id;
    }

    private async Task<bool> ReadAsync(string order, CancellationToken cancellation)
    {
        using var response = await api.GetAsync(new Uri($"/orders/{order}", UriKind.Relative), cancellation);
        return response.IsSuccessStatusCode;
    }

    private static async Task<double?> SeenAsync(long since, Func<CancellationToken, Task<bool>> look, CancellationToken cancellation)
    {
        while (Stopwatch.GetElapsedTime(since) < Bound)
        {
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            attempt.CancelAfter(AttemptBound);
            try
            {
                if (await look(attempt.Token))
                {
                    return Math.Round(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or NpgsqlException or RedisException or TimeoutException or ClickHouseException or OperationCanceledException && !cancellation.IsCancellationRequested)
            {
                // it is not back yet
            }
            await Task.Delay(Poll, cancellation);
        }
        return null;
    }
}
