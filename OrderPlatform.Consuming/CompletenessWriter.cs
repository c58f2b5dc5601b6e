using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming;

/// <summary>Writes every second up to when each projection is complete, partition by partition, for the answers that say so.</summary>
public sealed class CompletenessWriter(ProjectionState state, [FromKeyedServices(Connections.Views)] NpgsqlDataSource source) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await WriteAsync(stoppingToken);
            }
            catch (NpgsqlException)
            {
                // the answers stay behind, which is true enough; the health check of the database is red
            }
        }
    }

    private async Task WriteAsync(CancellationToken cancellation)
    {
        var rows = (from projection in state.Projections
                    from partition in projection.Value.CompleteUntil
                    select (Projection: projection.Key, partition.Key.Topic, Partition: partition.Key.Partition.Value, Until: partition.Value)).ToList();
        await using var command = source.CreateCommand(
            """
            INSERT INTO projection_completeness (projection, topic, partition, complete_until) SELECT * FROM unnest($1, $2, $3, $4)
            ON CONFLICT (projection, topic, partition) DO UPDATE SET complete_until = excluded.complete_until
            """);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. rows.Select(row => row.Projection)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. rows.Select(row => row.Topic)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. rows.Select(row => row.Partition)] });
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset[]> { TypedValue = [.. rows.Select(row => row.Until)] });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
