using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Saga;

/// <summary>
/// Forgets old messages, in small transactions. A repeat that comes later than this is answered by the order's state, which
/// has an answer to every message; the inbox only makes that answer rare.
/// </summary>
internal sealed class InboxCleanup([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, ILogger<InboxCleanup> log) : BackgroundService
{
    private const int Chunk = 5000;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                while (await DeleteChunkAsync(stoppingToken) == Chunk)
                {
                }
            }
            catch (NpgsqlException e)
            {
                log.LogWarning(e, "Old messages could not be deleted from the inbox; next try in {Minutes} minutes", Interval.TotalMinutes);
            }
        }
    }

    // an id of version 7 begins with its time
    private async Task<int> DeleteChunkAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            $"DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE event_id < $1 LIMIT {Chunk} FOR UPDATE SKIP LOCKED))");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Guid.CreateVersion7(clock.GetUtcNow() - Kept) });
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
