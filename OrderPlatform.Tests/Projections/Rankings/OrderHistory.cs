using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Consuming;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.Rankings;

/// <summary>Orders at random, reproducible by their seed, as the log of their events and as what they are in the end. Few prices, so that there are ties.</summary>
internal sealed class OrderHistory
{
    private static readonly int[] DaysBack = [0, 0, 0, 1, 7, 28, 29, 30, 31, 400, 10_000];

    private readonly Random _random;
    private readonly DateTimeOffset _now;
    private readonly Dictionary<string, Order> _orders = [];
    private readonly List<(string Key, int Sequence, OrderEvent Happened)> _log = [];

    public OrderHistory(int seed, int orders, DateTimeOffset now)
    {
        _random = new Random(seed);
        _now = now;
        for (var i = 0; i < orders; i++)
        {
            Place();
            if (_random.Next(2) == 0)
            {
                Change();
            }
        }
    }

    public IReadOnlyCollection<Order> Orders => _orders.Values;

    /// <summary>The log as a partitioned topic. Repeats stand behind the events that they repeat.</summary>
    /// <param name="times">How often each event is there.</param>
    public List<Record> Records(int times = 1)
    {
        var next = new long[Topics.Partitions];
        return [.. Enumerable.Repeat(_log, times).SelectMany(log => log).Select(logged => RecordOf(logged, next))];
    }

    private Record RecordOf((string Key, int Sequence, OrderEvent Happened) logged, long[] next)
    {
        var partition = (int)((uint)logged.Key.GetHashCode(StringComparison.Ordinal) % Topics.Partitions);
        return new Record(
            new TopicPartitionOffset(Topics.OrderEvents, partition, next[partition]++), logged.Key, EventTypes.Of(logged.Happened).Name, logged.Sequence, _now, _now, _now, null,
            JsonSerializer.SerializeToUtf8Bytes(logged.Happened, logged.Happened.GetType(), PlatformJson.Options));
    }

    private void Place()
    {
        var id = Guid.CreateVersion7().ToString("D");
        var (customer, currency) = ($"c-{_random.Next(12)}", _random.Next(3) == 0 ? "EUR" : "USD");
        var back = DaysBack[_random.Next(DaysBack.Length)];
        Happened(id, back == 0 ? Order.Place(id, customer, currency, Items(), _now) : Order.Import(id, customer, currency, Items(), _now.AddDays(-back)));
    }

    private void Change()
    {
        var order = _orders.Values.ElementAt(_random.Next(_orders.Count));
        OrderEvent? happened = (order.Status, _random.Next(3)) switch
        {
            (OrderStatus.Pending, 0) => order.ChangeItems(Items()),
            (OrderStatus.Pending, 1) => order.Confirm(),
            (OrderStatus.Confirmed, 0) => order.Ship("courier", "number"),
            (OrderStatus.Shipped, _) => order.Deliver(),
            (OrderStatus.Pending or OrderStatus.Confirmed, _) => order.Cancel(null),
            _ => null,
        };
        if (happened is not null)
        {
            Happened(order.Id, happened);
        }
    }

    private void Happened(string id, OrderEvent happened)
    {
        _orders[id] = Order.Apply(_orders.GetValueOrDefault(id), happened, _now);
        _log.Add((id, _orders[id].Version, happened));
    }

    // a product may stand in several lines, and cost nothing
    private List<OrderItem> Items() =>
        [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => new OrderItem($"p-{_random.Next(15)}", _random.Next(1, 3), _random.Next(0, 3) * 1.05m))];
}
