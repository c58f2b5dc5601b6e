using Npgsql;
using OrderPlatform.Consuming;

namespace OrderPlatform.Api.Saga;

/// <summary>The messages that a participant has taken: each is taken once.</summary>
internal static class Inbox
{
    /// <summary>Takes messages, in the connection's transaction.</summary>
    /// <returns>Those that were never taken before, in their order.</returns>
    /// <exception cref="FormatException">The id of a message is not a UUID.</exception>
    public static async Task<IReadOnlyList<Record>> TakeAsync(NpgsqlConnection connection, string participant, IReadOnlyList<Record> messages, CancellationToken cancellation)
    {
        if (messages.Count == 0)
        {
            return [];
        }
        await using var command = new NpgsqlCommand("INSERT INTO inbox (participant, event_id) SELECT $1, unnest($2) ON CONFLICT DO NOTHING RETURNING event_id", connection)
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = participant }, new NpgsqlParameter<Guid[]> { TypedValue = [.. messages.Select(message => Guid.Parse(message.Id))] } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var taken = new HashSet<Guid>();
        while (await reader.ReadAsync(cancellation))
        {
            taken.Add(reader.GetGuid(0));
        }
        return [.. messages.Where(message => taken.Remove(Guid.Parse(message.Id)))];
    }
}
