using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Tests.Api;

/// <summary>POST /orders of one replica of the Api, in this process: a test says what comes before the first batch begins.</summary>
internal sealed class PlacingReplica : IAsyncDisposable
{
    private static readonly HashSet<string> Allowed = [Scopes.OrdersWrite, Scopes.OrdersImport];

    private readonly IdempotentWrites _writes;
    private readonly OrderBatches _batches;

    /// <summary>Orders wait until it is started.</summary>
    public PlacingReplica(NpgsqlDataSource source, bool microBatch = true)
    {
        var levels = new ServiceLevelRecorder(source, Options.Create(new ServiceLevelOptions()), TimeProvider.System, NullLogger<ServiceLevelRecorder>.Instance);
        _writes = new IdempotentWrites(source, TimeProvider.System, new IdempotencyMetrics(levels));
        _batches = new OrderBatches(_writes, Options.Create(new OrderOptions { MicroBatch = microBatch }), NullLogger<OrderBatches>.Instance);
    }

    public Task StartAsync() => _batches.StartAsync(TestContext.Current.CancellationToken);

    public Task StopAsync() => _batches.StopAsync(TestContext.Current.CancellationToken);

    /// <summary>The request, as far as it comes before it has to wait.</summary>
    public Task<Answer> PlaceAsync(string key, string body = OrderRequests.TwoCds, string caller = "shop") => SendAsync(key, body, caller, CancellationToken.None);

    /// <summary>The same of a caller who may leave.</summary>
    public Task<Answer> PlaceUntilAsync(string key, CancellationToken aborted) => SendAsync(key, OrderRequests.TwoCds, "shop", aborted);

    public async ValueTask DisposeAsync() => await _batches.StopAsync(CancellationToken.None);

    private async Task<Answer> SendAsync(string key, string body, string caller, CancellationToken aborted)
    {
        var http = new DefaultHttpContext { RequestAborted = aborted, Request = { Method = "POST", Path = "/orders" } };
        http.Request.Headers["Idempotency-Key"] = key;
        http.Items[typeof(Caller)] = new Caller(caller, Allowed, RequestsPerSecond: 1);
        var bytes = Encoding.UTF8.GetBytes(body);
        var request = new JsonBody<PlaceOrderRequest>(JsonSerializer.Deserialize<PlaceOrderRequest>(bytes, PlatformJson.Strict), bytes);
        return (Answer)await PlaceOrder.HandleAsync(http, request, _writes, _batches, TimeProvider.System);
    }
}
