using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>Degraded while keys are parked, never red: everything else flows.</summary>
public sealed class DeadLetterHealthCheck([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var open = await DeadLetterCounts.ReadAsync(orders, cancellationToken);
        return open.Count == 0
            ? HealthCheckResult.Healthy("no key is parked")
            : HealthCheckResult.Degraded(string.Join(", ", open.Select(letters => $"{letters.Consumer}: {letters.Keys} keys parked with {letters.Letters} dead letters")) + " (GET /operations/dead-letters)");
    }
}
