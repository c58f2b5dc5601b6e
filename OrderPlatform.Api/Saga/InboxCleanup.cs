using Npgsql;
using OrderPlatform.Api.Storage;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Saga;

/// <summary>
/// Forgets messages of more than a week ago. A repeat that comes later than this is answered by the order's state, which
/// has an answer to every message; the inbox only makes that answer rare.
/// </summary>
internal sealed class InboxCleanup([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, ILogger<InboxCleanup> log)
    : Cleanup("Old messages of the inbox", clock, log)
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    private readonly TimeProvider _clock = clock;

    /// <inheritdoc />
    protected override async Task<int> DeleteChunkAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            $"DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE event_id < $1 LIMIT {Chunk} FOR UPDATE SKIP LOCKED))");
        // an id of version 7 begins with its time
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Guid.CreateVersion7(_clock.GetUtcNow() - Kept) });
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
