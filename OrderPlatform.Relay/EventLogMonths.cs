using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>Makes the event log's partitions of this month and the next in time. Without it events would go to the default partition, where nothing is lost, but no month can be archived.</summary>
internal sealed partial class EventLogMonths([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, ILogger<EventLogMonths> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(6);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        do
        {
            try
            {
                await EnsureAsync(source, clock.GetUtcNow(), stoppingToken);
            }
            catch (NpgsqlException e)
            {
                LogFailed(log, e.Message, Interval.TotalHours);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>Makes what is missing.</summary>
    internal static async Task EnsureAsync(NpgsqlDataSource source, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT event_log_ensure_month($1), event_log_ensure_month($1 + interval '1 month')");
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset> { TypedValue = now });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    [LoggerMessage(10, LogLevel.Warning, "The event log's partition of the next month could not be made: {Reason} It is tried again in {Hours} h")]
    private static partial void LogFailed(ILogger logger, string reason, double hours);
}
