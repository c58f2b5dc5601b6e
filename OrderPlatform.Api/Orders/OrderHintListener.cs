using OrderPlatform.Contracts.Rankings;
using StackExchange.Redis;

namespace OrderPlatform.Api.Orders;

/// <summary>
/// Wakes the streams of orders that another replica, or a saga participant of one, has changed: the rankings projection tells of
/// every new status once it has it. The client subscribes again by itself after Redis was away.
/// </summary>
internal sealed class OrderHintListener(IConnectionMultiplexer redis, OrderHints hints) : IHostedService
{
    private static readonly RedisChannel Channel = new(RankingKeys.StatusChannel, RedisChannel.PatternMode.Literal);

    /// <inheritdoc />
    public Task StartAsync(CancellationToken cancellationToken) =>
        // not waited for: without Redis the streams read again every second all the same
        redis.GetSubscriber().SubscribeAsync(Channel, (_, message) => hints.Announce(OrderIdOf(message)), CommandFlags.FireAndForget);

    /// <inheritdoc />
    public Task StopAsync(CancellationToken cancellationToken) => redis.GetSubscriber().UnsubscribeAsync(Channel, flags: CommandFlags.FireAndForget);

    private static string OrderIdOf(RedisValue message) => ((string?)message ?? "").Split(' ')[0];
}
