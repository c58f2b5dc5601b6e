using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using Npgsql;
using StackExchange.Redis;

namespace OrderPlatform.Api.Orders;

/// <summary>Where an order stands.</summary>
/// <param name="Version">Sequence of the order's last event that is in it.</param>
public sealed record OrderStanding(string Id, OrderStatus Status, int Version);

/// <summary>
/// GET /orders/{id}/status: the cheapest answer, for those who ask often. Redis has it moments after the order's own row; an
/// order that is not there yet, or a Redis that is away, is answered from PostgreSQL.
/// </summary>
internal static class GetOrderStatus
{
    // one look, so that no generation is taken away between two
    private const string Read =
        """
        local generation = redis.call('HGET', KEYS[1], 'generation')
        return generation and redis.call('GET', '{rankings}:' .. generation .. ':order:' .. ARGV[1])
        """;

    // a cache that takes longer than the database is none
    private static readonly TimeSpan CacheBound = TimeSpan.FromMilliseconds(100);

    public static async Task<IResult> HandleAsync(string id, IConnectionMultiplexer redis, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        if (!Guid.TryParseExact(id, "D", out var guid))
        {
            throw ProblemException.NotFound($"order {id}");
        }
        var orderId = guid.ToString("D");
        return await FromCacheAsync(redis, orderId, cancellation) is { } cached
            ? Answer.Json(StatusCodes.Status200OK, new OrderStanding(orderId, cached.Status, cached.Sequence))
            : await FromDatabaseAsync(source, orderId, cancellation);
    }

    private static async Task<CachedStatus?> FromCacheAsync(IConnectionMultiplexer redis, string orderId, CancellationToken cancellation)
    {
        try
        {
            return redis.IsConnected
                ? CachedStatus.Parse((string?)await redis.GetDatabase().EvaluateAsync(Read, [RankingKeys.State], [orderId], CacheBound, cancellation))
                : null;
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            return null;
        }
    }

    private static async Task<IResult> FromDatabaseAsync(NpgsqlDataSource source, string orderId, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var order = await OrderStore.FindAsync(connection, orderId, cancellation) ?? throw ProblemException.NotFound($"order {orderId}");
        return Answer.Json(StatusCodes.Status200OK, new OrderStanding(order.Id, order.Status, order.Version));
    }
}
