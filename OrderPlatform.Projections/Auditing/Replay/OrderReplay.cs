using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>The orders as order.events makes them, up to a vector and on to a later one. Some 150 bytes an order.</summary>
/// <param name="bootstrapServers">Kafka.</param>
/// <param name="orders">Where the dead letters are.</param>
/// <param name="consumer">Whose store it is compared with.</param>
internal sealed class OrderReplay(string bootstrapServers, NpgsqlDataSource orders, string consumer) : IDisposable
{
    private readonly TopicReader _reader = new(bootstrapServers, Topics.OrderEvents);
    private readonly Letters _letters = new(orders, consumer, Topics.OrderEvents);

    // an id that many orders name is kept once
    private readonly Dictionary<string, string> _names = [];

    /// <summary>Each order after the last event before the vector.</summary>
    public Dictionary<Guid, OrderState> Orders { get; } = [];

    /// <summary>Called with each event that is not a repeat: the order, its state before and after.</summary>
    public Action<Guid, OrderState?, OrderState, OrderEvent> Changed { get; set; } = (_, _, _, _) => { };

    /// <summary>Where order.events ends at this moment.</summary>
    /// <exception cref="CannotBeAuditedException">It does not go back to its beginning.</exception>
    public Task<long[]> EndAsync(CancellationToken cancellation) => _reader.EndAsync(cancellation);

    /// <summary>Goes on to a vector: the next offset of each partition.</summary>
    /// <exception cref="CannotBeAuditedException">Kafka does not have these records.</exception>
    public async Task AdvanceAsync(IReadOnlyList<long> vector, CancellationToken cancellation)
    {
        await _letters.LoadAsync(cancellation);
        await _reader.ReadToAsync(vector, Apply, cancellation);
    }

    /// <inheritdoc />
    public void Dispose() => _reader.Dispose();

    private void Apply(ConsumeResult<byte[], byte[]> consumed)
    {
        if (!_letters.Takes(consumed) || Read(consumed) is not ({ } record, { } happened) || !Guid.TryParse(record.Key, out var id))
        {
            return;
        }
        OrderState? before = Orders.TryGetValue(id, out var known) ? known : null;
        if (record.Sequence <= known.Version)
        {
            return;
        }
        var after = OrderState.After(before, happened, record.Sequence, record.OccurredAt) with { CustomerId = Once(happened.CustomerId), Currency = Once(happened.Currency) };
        Orders[id] = after;
        Changed(id, before, after, happened);
    }

    // what nobody can read is in no store; that it differs from the event log is the audit of Kafka's to say
    private static (Record Record, OrderEvent Happened)? Read(ConsumeResult<byte[], byte[]> consumed)
    {
        try
        {
            var record = Record.From(consumed);
            return (record, record.Read<OrderEvent>());
        }
        catch (PoisonRecordException)
        {
            return null;
        }
    }

    private string Once(string name) => _names.TryGetValue(name, out var known) ? known : _names[name] = name;
}
