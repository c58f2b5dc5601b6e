using System.Diagnostics;
using System.Net;
using System.Text.Json;
using OrderPlatform.Bench.Load;

namespace OrderPlatform.Bench.Chaos;

/// <summary>The platform's own audits, asked for through its Api.</summary>
/// <param name="State">How the run of audits ended: clean, violations or failed; or why there was none.</param>
/// <param name="Answer">What the Api said of it; null when there was none.</param>
internal sealed record AuditOutcome(string State, JsonElement? Answer)
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    /// <summary>False when the audits found something, or broke off. A platform without audits has found nothing.</summary>
    public bool IsWell => Answer is null || State == "clean";

    /// <summary>Asks for all audits and waits for their end.</summary>
    public static async Task<AuditOutcome> AskAsync(HttpClient api, CancellationToken cancellation)
    {
        using var asked = await api.SendAsync(OrderLoad.Post("/audits", "{}", Guid.NewGuid().ToString()), cancellation);
        if (asked.StatusCode == HttpStatusCode.NotFound)
        {
            return new AuditOutcome("skipped: this Api has no /audits", Answer: null);
        }
        asked.EnsureSuccessStatusCode();
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var audit = JsonElement.Parse(await api.GetStringAsync(asked.Headers.Location, cancellation));
            var state = audit.GetProperty("state").GetString()!;
            if (state is not ("requested" or "running") || Stopwatch.GetElapsedTime(since) > Bound)
            {
                return new AuditOutcome(state, audit);
            }
            await Task.Delay(Poll, cancellation);
        }
    }
}
