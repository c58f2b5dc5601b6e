using System.Diagnostics;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.AppHost;

/// <summary>A platform of its own whose saga runs in short time.</summary>
public sealed class SagaPlatform : IAsyncLifetime
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly TemporaryFolder _data = new();

    /// <summary>A saga's waiting, made short.</summary>
    public static readonly IReadOnlyDictionary<string, string> ShortTimes = new Dictionary<string, string>
    {
        ["Orders__ChangeWindow"] = "00:00:00.3",
        ["Shipping__DispatchAfter"] = "00:00:00.3",
        ["Shipping__DeliverAfter"] = "00:00:00.3",
    };

    /// <summary>Beyond the short times; set before it is started.</summary>
    public IDictionary<string, string> Settings { get; } = new Dictionary<string, string>(ShortTimes);

    internal StandaloneHost Host { get; private set; } = null!;

    public JsonObject RunFile { get; private set; } = null!;

    public HttpClient Api { get; private set; } = null!;

    public NpgsqlDataSource Orders { get; private set; } = null!;

    /// <summary>Where e-mails are written.</summary>
    public string Mails => Path.Combine(_data.Path, "notifications");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Host = StandaloneHost.Start(_data.Path, Settings.ToDictionary(), "--api-port", $"{LoopbackPort.Free()}");
        RunFile = await Host.UpAsync(Cancellation);
        Orders = NpgsqlDataSource.Create((string)RunFile["postgres"]!);
        Api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)RunFile["api"]!), Timeout = TimeSpan.FromSeconds(20) };
        Api.DefaultRequestHeaders.Add("X-Api-Key", (string)RunFile["apiKey"]!);
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        await Orders.DisposeAsync();
        await Host.DisposeAsync();
        _data.Dispose();
    }

    /// <summary>A new product with that many pieces.</summary>
    public async Task<string> ProductAsync(int pieces)
    {
        var id = $"p-{Guid.NewGuid():N}";
        using var made = await Api.SendAsync(OrderRequests.Put($"/products/{id}", """{"name":"Mixtape","price":2.50,"currency":"USD"}"""), Cancellation);
        using var received = await Api.SendAsync(OrderRequests.Post($"/inventory/{id}/receipts", $$"""{"quantity":{{pieces}}}"""), Cancellation);
        received.EnsureSuccessStatusCode();
        return id;
    }

    /// <summary>Places an order of one product and gives its path.</summary>
    public async Task<string> PlaceAsync(string product, int quantity, string customer = "c-1")
    {
        using var response = await Api.SendAsync(OrderRequests.Post("/orders", $$"""{"customerId":"{{customer}}","currency":"USD","items":[{"productId":"{{product}}","quantity":{{quantity}},"unitPrice":2.50}]}"""), Cancellation);
        return response.EnsureSuccessStatusCode().Headers.Location!.ToString();
    }

    /// <summary>Waits for an answer of the Api to be as it should, and gives it.</summary>
    public async Task<JsonObject> UntilAsync(string path, Func<JsonObject, bool> condition)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var answer = await Api.GetObjectAsync(path);
            if (condition(answer))
            {
                return answer;
            }
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{path} says {answer.ToJsonString()}\n{Host.Output}");
            await Task.Delay(Poll, Cancellation);
        }
    }

    /// <summary>Waits for the order's last status and gives its history: types of events, a reason in brackets.</summary>
    public async Task<string> EndAsync(string order)
    {
        await UntilAsync(order, answer => (string)answer["status"]! is "Delivered" or "Cancelled");
        var events = (await Api.GetObjectAsync($"{order}/events"))["items"]!.AsArray();
        return string.Join(' ', events.Select(happened => $"{(string)happened!["type"]!}{(happened["data"]!["reason"] is { } reason ? $"({reason})" : "")}")).Replace(".v1", "", StringComparison.Ordinal);
    }

    /// <summary>Waits until every participant of every saga is at its end, and all books agree: the views of migration 0006 are empty.</summary>
    public async Task SettledAsync()
    {
        foreach (var view in (string[])["saga_unsettled", "stock_difference", "gateway_difference"])
        {
            var since = Stopwatch.GetTimestamp();
            while (await RowsAsync($"SELECT t::text FROM {view} t LIMIT 20") is { Count: > 0 } rows)
            {
                Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{view}: {string.Join('\n', rows)}\n{Host.Output}");
                await Task.Delay(Poll, Cancellation);
            }
        }
    }

    /// <summary>The rows of a query of one text column.</summary>
    public async Task<IReadOnlyList<string>> RowsAsync(string sql)
    {
        try
        {
            await using var command = Orders.CreateCommand(sql);
            await using var reader = await command.ExecuteReaderAsync(Cancellation);
            var rows = new List<string>();
            while (await reader.ReadAsync(Cancellation))
            {
                rows.Add(reader.GetString(0));
            }
            return rows;
        }
        catch (NpgsqlException e) when (e.IsTransient || e.SqlState is ['5', '7', 'P', ..])
        {
            return [e.Message]; // it is being restarted
        }
    }
}
