using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.ServiceDefaults.ServiceLevels;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Runs audits: all of them on a schedule, and those that are asked for, with the repairs; one run at a time over all replicas.</summary>
internal sealed partial class Auditor(
    AuditStore store, IEnumerable<IAudit> audits, ServiceLevelRecorder levels, IOptions<AuditOptions> options, TimeProvider clock, ILogger<Auditor> log) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    // an audit that takes longer than this is taken to hang
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(15);

    private readonly Dictionary<string, IAudit> _audits = audits.ToDictionary(audit => audit.Name);
    private readonly DateTimeOffset _startedAt = clock.GetUtcNow();

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Look, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RunDueAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                LogPassedOver(log, e.Message);
            }
        }
    }

    /// <summary>Runs whatever is due, unless another process does.</summary>
    internal async Task RunDueAsync(CancellationToken cancellation)
    {
        await using var turn = await store.TryTakeTurnAsync(cancellation);
        if (turn is null)
        {
            return;
        }
        await store.FailAbandonedAsync(cancellation);
        await store.ScheduleAsync(options.Value.Interval, _startedAt, options.Value.Kept, cancellation);
        while (await store.ClaimAsync(cancellation) is { } run)
        {
            await RunAsync(run, cancellation);
        }
    }

    private async Task RunAsync(AuditRun run, CancellationToken cancellation)
    {
        try
        {
            if (run.RepairOf is { } repaired)
            {
                await RepairAsync(repaired, cancellation);
            }
            foreach (var name in run.Audits)
            {
                await RunAsync(run, _audits[name], cancellation);
            }
            await store.FinishAsync(run, cancellation);
        }
        catch (Exception e) when (e is not NpgsqlException && !cancellation.IsCancellationRequested)
        {
            LogBrokenOff(log, run.Id, e.Message);
            await store.FailAsync(run, e.Message, cancellation);
        }
    }

    private async Task RepairAsync(Guid repaired, CancellationToken cancellation)
    {
        foreach (var violations in (await store.ViolationsAsync(repaired, cancellation)).GroupBy(kept => kept.Audit))
        {
            var done = await _audits[violations.Key].RepairAsync([.. violations.Select(kept => kept.Violation)], cancellation);
            await store.SaveRepairAsync(repaired, [.. violations.Select(kept => kept.Number)], done, cancellation);
        }
    }

    private async Task RunAsync(AuditRun run, IAudit audit, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        var findings = new Findings();
        string? unknown = null;
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Bound);
        try
        {
            await audit.RunAsync(findings, bound.Token);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            // a store that is away is seen in its health; half a comparison says nothing
            unknown = e is OperationCanceledException ? $"It was not done after {Bound.TotalMinutes:0} minutes." : e.Message;
            findings.Clear();
            LogUnknown(log, audit.Name, unknown);
        }
        var fresh = await store.SaveAsync(run, audit.Name, findings, unknown, Stopwatch.GetElapsedTime(since), cancellation);
        if (unknown is null)
        {
            Count(audit.Name, findings, fresh);
        }
    }

    private void Count(string audit, Findings findings, long fresh)
    {
        levels.Came(Indicator.ConsistencyPassRate, good: findings.ViolationCount == 0);
        levels.Came(Indicator.AuditViolations, good: fresh == 0, times: Math.Max(1, fresh));
        if (findings.ViolationCount > 0)
        {
            var first = findings.Violations[0];
            LogViolations(log, audit, findings.ViolationCount, fresh, $"{first.Store} {first.Row} {first.Kind}: expected {first.Expected}, found {first.Found}");
        }
    }

    [LoggerMessage(10, LogLevel.Error, "The audit {Audit} found {Violations} violations, {Fresh} of them new. The first: {First}")]
    private static partial void LogViolations(ILogger logger, string audit, long violations, long fresh, string first);

    [LoggerMessage(11, LogLevel.Warning, "The audit {Audit} could not compare: {Reason}")]
    private static partial void LogUnknown(ILogger logger, string audit, string reason);

    [LoggerMessage(12, LogLevel.Error, "The run {Run} broke off: {Reason}")]
    private static partial void LogBrokenOff(ILogger logger, Guid run, string reason);

    [LoggerMessage(13, LogLevel.Warning, "Audits wait: {Reason}")]
    private static partial void LogPassedOver(ILogger logger, string reason);
}
