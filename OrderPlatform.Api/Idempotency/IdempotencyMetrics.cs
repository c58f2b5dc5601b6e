using System.Diagnostics.Metrics;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Idempotency;

/// <summary>How often a repeated request was recognised.</summary>
public sealed class IdempotencyMetrics
{
    private readonly Counter<long> _done = Telemetry.Meter.CreateCounter<long>("orderplatform.idempotency.done", "{request}", "Requests done for the first time");
    private readonly Counter<long> _repeated = Telemetry.Meter.CreateCounter<long>("orderplatform.idempotency.repeated", "{request}", "Requests answered from the record of an earlier one");

    /// <summary>A request was done for the first time.</summary>
    public void Done() => _done.Add(1);

    /// <summary>A repeat was answered.</summary>
    public void Repeated() => _repeated.Add(1);
}
