using Npgsql;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>What is open of one consumer.</summary>
/// <param name="Consumer">Its name; relay: what Kafka refused.</param>
/// <param name="Letters">Open letters.</param>
/// <param name="Keys">Parked keys.</param>
/// <param name="Oldest">When the oldest was parked.</param>
internal sealed record OpenLetters(string Consumer, long Letters, long Keys, DateTimeOffset Oldest);

/// <summary>Counts the open letters of all consumers.</summary>
internal static class DeadLetterCounts
{
    public static async Task<IReadOnlyList<OpenLetters>> ReadAsync(NpgsqlDataSource orders, CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand(
            "SELECT consumer, count(*), count(DISTINCT (topic, key)), min(parked_at) FROM dead_letter WHERE state IN ('failed', 'waiting') GROUP BY consumer ORDER BY consumer");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var open = new List<OpenLetters>();
        while (await reader.ReadAsync(cancellation))
        {
            open.Add(new OpenLetters(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3)));
        }
        return open;
    }
}
