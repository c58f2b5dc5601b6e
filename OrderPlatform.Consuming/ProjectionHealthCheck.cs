using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OrderPlatform.Consuming;

/// <summary>Red while a projection cannot go on; it says which and why.</summary>
public sealed class ProjectionHealthCheck(ProjectionState state) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var failing = state.Projections.Where(projection => projection.Value.Problem is not null).Select(projection => $"{projection.Key}: {projection.Value.Problem}").ToList();
        return Task.FromResult(failing.Count == 0
            ? HealthCheckResult.Healthy(string.Join(", ", state.Projections.Select(projection => $"{projection.Key} lags {projection.Value.Lag.Values.Sum()} records")))
            : HealthCheckResult.Unhealthy(string.Join("; ", failing)));
    }
}
