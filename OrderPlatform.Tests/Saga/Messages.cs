using System.Text.Json;
using Confluent.Kafka;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Saga;

/// <summary>Events as a participant consumes them, in one partition of their topic.</summary>
internal sealed class Messages(TimeProvider clock, int partition = 0)
{
    private readonly Dictionary<string, long> _next = [];

    /// <summary>A new event.</summary>
    public Record Of(string key, int sequence, object happened)
    {
        var type = EventTypes.Of(happened);
        var now = clock.GetUtcNow();
        return Again(new Record(new TopicPartitionOffset(type.Topic, partition, 0), key, type.Name, sequence, now, now, now, null, JsonSerializer.SerializeToUtf8Bytes(happened, type.Payload, PlatformJson.Options))
        {
            Id = Guid.CreateVersion7(now).ToString("D"),
        });
    }

    /// <summary>The same event once more, further on in the topic.</summary>
    public Record Again(Record record)
    {
        var offset = _next.GetValueOrDefault(record.Source.Topic);
        _next[record.Source.Topic] = offset + 1;
        return record with { Source = new TopicPartitionOffset(record.Source.Topic, partition, offset) };
    }

    /// <summary>A new order's first event.</summary>
    public Record Placed(string customer, params OrderItem[] items)
    {
        var id = Guid.CreateVersion7().ToString("D");
        return Of(id, 1, Order.Place(id, customer, "USD", items, clock.GetUtcNow()));
    }
}
