using Npgsql;

namespace OrderPlatform.Api.Storage;

/// <summary>Forgets old rows every ten minutes, in small transactions: a long one would hold up PostgreSQL's vacuum.</summary>
/// <param name="what">What is forgotten, for the log.</param>
internal abstract class Cleanup(string what, TimeProvider clock, ILogger log) : BackgroundService
{
    /// <summary>Rows that one transaction deletes, at most.</summary>
    protected const int Chunk = 5000;

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>Deletes up to <see cref="Chunk"/> rows, none that another replica is deleting, and says how many.</summary>
    protected abstract Task<int> DeleteChunkAsync(CancellationToken cancellation);

    /// <inheritdoc />
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
                log.LogWarning(e, "{What} could not be deleted; next try in {Minutes} minutes", what, Interval.TotalMinutes);
            }
        }
    }
}
