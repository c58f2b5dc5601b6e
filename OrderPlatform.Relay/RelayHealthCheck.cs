using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>
/// Red when publishing broke off or stalls, and when an old write transaction holds up the horizon, since nothing after it
/// can be published: then it names the holder.
/// </summary>
internal sealed class RelayHealthCheck(RelayState state, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock) : IHealthCheck
{
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OldHorizon = TimeSpan.FromSeconds(10);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (state.Problem is { } problem)
        {
            return HealthCheckResult.Unhealthy(problem);
        }
        if (clock.GetUtcNow() - state.LastProgress is var silent && silent > Stall)
        {
            return HealthCheckResult.Unhealthy($"Nothing could be published for {silent.TotalSeconds:0} s: is Kafka there?");
        }
        await using var command = source.CreateCommand(
            """
            SELECT pid, coalesce(nullif(application_name, ''), usename, 'somebody'), datname, extract(epoch FROM now() - xact_start)::float8
            FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start < now() - $1 ORDER BY xact_start LIMIT 1
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = OldHorizon });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? HealthCheckResult.Unhealthy($"A write transaction of {reader.GetString(1)} (pid {reader.GetInt32(0)}, database {(reader.IsDBNull(2) ? "-" : reader.GetString(2))}) is open for {reader.GetDouble(3):0} s: later events wait for its end. End it, or pg_terminate_backend({reader.GetInt32(0)}).")
            : HealthCheckResult.Healthy(state.IsPublishing ? "publishing" : "standing by: another relay publishes");
    }
}
