using Confluent.Kafka;
using Npgsql;

namespace OrderPlatform.Consuming;

/// <summary>The writes of a projection that lives in PostgreSQL: each batch's effect and the progress over it in one transaction.</summary>
public sealed class PostgresWrites(NpgsqlDataSource source, string projection)
{
    private readonly Dictionary<TopicPartition, long> _progress = [];

    /// <summary>The next offset of each partition; what was held before is forgotten.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, projection, cancellation);
        _progress.Clear();
        foreach (var partition in partitions)
        {
            _progress[partition] = progress.GetValueOrDefault(partition);
        }
        return _progress;
    }

    /// <summary>Writes a batch.</summary>
    /// <param name="effectAsync">Through the connection's open transaction.</param>
    /// <exception cref="ProgressLostException">Another consumer has gone on.</exception>
    public async Task WriteAsync(IReadOnlyList<Record> batch, Func<NpgsqlConnection, Task> effectAsync, CancellationToken cancellation)
    {
        var moved = new Dictionary<TopicPartition, long>(_progress);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await PostgresProgress.MoveAsync(connection, projection, batch, moved, cancellation);
        await effectAsync(connection);
        await transaction.CommitAsync(cancellation);
        foreach (var (partition, next) in moved)
        {
            _progress[partition] = next;
        }
    }
}
