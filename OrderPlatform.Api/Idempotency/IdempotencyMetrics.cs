using System.Diagnostics.Metrics;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Api.Idempotency;

/// <summary>How often a repeated request was recognised.</summary>
public sealed class IdempotencyMetrics(ServiceLevelRecorder levels)
{
    private readonly Counter<long> _done = Telemetry.Meter.CreateCounter<long>("orderplatform.idempotency.done", "{request}", "Requests done for the first time");
    private readonly Counter<long> _repeated = Telemetry.Meter.CreateCounter<long>("orderplatform.idempotency.repeated", "{request}", "Requests answered from the record of an earlier one");

    /// <summary>A request was done.</summary>
    /// <param name="again">Its key was used before and has expired: a repeat that was not recognised.</param>
    public void Done(bool again)
    {
        _done.Add(1);
        if (again)
        {
            levels.Came(Indicator.DedupRate, good: false);
        }
    }

    /// <summary>A repeat was answered.</summary>
    public void Repeated()
    {
        _repeated.Add(1);
        levels.Came(Indicator.DedupRate, good: true);
    }
}
