using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OrderPlatform.Relay;

/// <summary>Red when publishing broke off or stalls.</summary>
internal sealed class RelayHealthCheck(RelayState state, TimeProvider clock) : IHealthCheck
{
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(10);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
            state.Problem is { } problem ? HealthCheckResult.Unhealthy(problem)
            : clock.GetUtcNow() - state.LastProgress is var silent && silent > Stall ? HealthCheckResult.Unhealthy($"Nothing could be published for {silent.TotalSeconds:0} s: is Kafka there?")
            : HealthCheckResult.Healthy(state.IsPublishing ? "publishing" : "standing by: another relay publishes"));
}
