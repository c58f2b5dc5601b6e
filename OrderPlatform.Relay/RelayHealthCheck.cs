using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Relay;

/// <summary>Red when publishing broke off or stalls, degraded while a write transaction has been open for long: it names its holder. Says how the slot stands.</summary>
/// <typeparam name="TState">Whose.</typeparam>
internal sealed class RelayHealthCheck<TState>([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IOptions<RelayOptions> options, TState state, TimeProvider clock) : IHealthCheck
    where TState : RelayState
{
    private static readonly TimeSpan LossIsNews = TimeSpan.FromMinutes(10);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var now = clock.GetUtcNow();
        if (state.Problem is { } problem)
        {
            return HealthCheckResult.Unhealthy(problem);
        }
        if (now - state.LastProgress is var silent && silent > options.Value.StallBound)
        {
            return HealthCheckResult.Unhealthy($"Nothing could be published for {silent.TotalSeconds:0} s: {await CauseAsync(cancellationToken)}{Slot(now)}");
        }
        var oldWriter = await OldWriterAsync(cancellationToken);
        return new HealthCheckResult(
            oldWriter.Length == 0 ? HealthStatus.Healthy : HealthStatus.Degraded,
            (!state.IsPublishing ? "standing by: another relay publishes" : state.Slot is null ? state.WithoutSlot : "publishing by CDC") + $".{Slot(now)}{Loss(now)}{oldWriter}");
    }

    private string Slot(DateTimeOffset now) =>
        state.Slot is not { } slot ? ""
        : string.Create(CultureInfo.InvariantCulture, $" Slot {slot.Name} ({slot.WalStatus}) is {slot.LagBytes:N0} bytes behind, {slot.RetainedBytes:N0} bytes of WAL are kept for it.")
            + (state.Heartbeat is { } heartbeat ? string.Create(CultureInfo.InvariantCulture, $" The last heartbeat took {heartbeat.Lag.TotalMilliseconds:0} ms, {(now - heartbeat.At).TotalSeconds:0.0} s ago.") : "");

    private string Loss(DateTimeOffset now) =>
        state.Loss is { } loss && now - loss.At < LossIsNews
            ? $" Slot {loss.Slot} was lost at {loss.At:HH:mm:ss}Z and made again; {loss.Healing}."
            : "";

    // an event is not published before the standby has it, nor is what was committed after it
    private async Task<string> CauseAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        var waiting = (long)(await command.ExecuteScalarAsync(cancellation))!;
        return waiting > 0 ? $"{waiting} commit(s) of PostgreSQL wait for a synchronous standby. Is it there?" : "is Kafka there?";
    }

    // it holds nobody's events up but its own; only a new slot has to wait for it
    private async Task<string> OldWriterAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            SELECT pid, application_name, extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity
            WHERE backend_xid IS NOT NULL AND xact_start < now() - $1 ORDER BY xact_start LIMIT 1
            """);
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = options.Value.StallBound });
        await using var writer = await command.ExecuteReaderAsync(cancellation);
        return await writer.ReadAsync(cancellation) ? $" A write transaction has been open for {writer.GetInt32(2)} s: process {writer.GetInt32(0)} of PostgreSQL ({writer.GetString(1)})." : "";
    }
}
