using System.Text;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>
/// Which records of a topic a consumer takes: all but its dead letters, open or closed, and of the copies that were published
/// again those that it has taken in their place.
/// </summary>
internal sealed class Letters(NpgsqlDataSource orders, string consumer, string topic)
{
    private HashSet<(int Partition, long Offset)> _parked = [];
    private HashSet<(int Partition, long Offset)> _taken = [];

    /// <summary>The keys that have letters.</summary>
    public HashSet<string> Keys { get; private set; } = [];

    /// <summary>Reads them. A store's progress goes over a record after its letter is written: call it once the vector is known.</summary>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand("SELECT partition, record_offset, redriven_offset, key FROM dead_letter WHERE consumer = $1 AND topic = $2");
        command.Parameters.Add(new() { Value = consumer });
        command.Parameters.Add(new() { Value = topic });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        (_parked, _taken, Keys) = ([], [], []);
        while (await reader.ReadAsync(cancellation))
        {
            _parked.Add((reader.GetInt32(0), reader.GetInt64(1)));
            Keys.Add(reader.GetString(3));
            if (!reader.IsDBNull(2))
            {
                _taken.Add((reader.GetInt32(0), reader.GetInt64(2)));
            }
        }
    }

    /// <summary>Whether the consumer takes that record.</summary>
    public bool Takes(ConsumeResult<byte[], byte[]> consumed) =>
        consumed.Message.Headers.TryGetLastBytes(Envelope.RedrivenFor, out var name)
            ? Encoding.UTF8.GetString(name) == consumer && _taken.Contains((consumed.Partition.Value, consumed.Offset.Value))
            : !_parked.Contains((consumed.Partition.Value, consumed.Offset.Value));
}
