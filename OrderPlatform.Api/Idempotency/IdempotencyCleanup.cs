using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Idempotency;

/// <summary>Deletes expired answers, in small transactions: a long one would hold up PostgreSQL's vacuum.</summary>
internal sealed class IdempotencyCleanup([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, ILogger<IdempotencyCleanup> log) : BackgroundService
{
    private const int Chunk = 5000;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

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
                log.LogWarning(e, "Expired idempotency keys could not be deleted; next try in {Minutes} minutes", Interval.TotalMinutes);
            }
        }
    }

    private async Task<int> DeleteChunkAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            $"DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE expires_at < now() LIMIT {Chunk} FOR UPDATE SKIP LOCKED))");
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
