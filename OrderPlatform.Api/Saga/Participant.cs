using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Saga;

/// <summary>
/// A participant of the saga as a consumer of other participants' events. A batch of messages is one transaction: the progress,
/// the inbox, the effects, and the participant's own events. So a message has its effect once, however often it comes.
/// </summary>
/// <param name="name">Its name, for the consumer group and the inbox.</param>
/// <param name="source">The orders database.</param>
/// <param name="handled">The events that it acts on; others are passed over.</param>
internal abstract class Participant(string name, NpgsqlDataSource source, params IReadOnlyList<Type> handled) : ISink
{
    private readonly List<EventType> _handled = [.. EventTypes.All.Where(type => handled.Contains(type.Payload))];
    private readonly Dictionary<TopicPartition, long> _progress = [];

    /// <inheritdoc />
    public string Name => name;

    /// <inheritdoc />
    public string? Store => null;

    /// <inheritdoc />
    public IReadOnlyList<string> Topics => [.. _handled.Select(type => type.Topic).Distinct()];

    /// <summary>Keeps a transaction far below the 5 s that it may take.</summary>
    public int MaxBatch => 200;

    /// <inheritdoc />
    public TimeSpan Linger => TimeSpan.FromMilliseconds(25); // each batch is a transaction, and nobody waits for a step of the saga

    protected NpgsqlDataSource Source => source;

    /// <inheritdoc />
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, name, cancellation);
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = progress.GetValueOrDefault(partition);
        }
        return _progress;
    }

    /// <inheritdoc />
    public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        var moved = new Dictionary<TopicPartition, long>(_progress);
        var messages = batch.Where(record => _handled.Exists(type => type.Name == record.Type)).ToList();
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using (var transaction = await connection.BeginTransactionAsync(cancellation))
        {
            await PostgresProgress.MoveAsync(connection, name, batch, moved, cancellation);
            var fresh = await Inbox.TakeAsync(connection, name, messages, cancellation);
            if (fresh.Count > 0)
            {
                await HandleAsync(connection, fresh, cancellation);
            }
            await transaction.CommitAsync(cancellation);
        }
        foreach (var (partition, next) in moved)
        {
            _progress[partition] = next;
        }
        Committed();
    }

    /// <summary>Writes the effects of messages that were never taken before, in the connection's transaction.</summary>
    protected abstract Task HandleAsync(NpgsqlConnection connection, IReadOnlyList<Record> messages, CancellationToken cancellation);

    /// <summary>The transaction of <see cref="HandleAsync"/> has been committed.</summary>
    protected virtual void Committed()
    {
    }
}
