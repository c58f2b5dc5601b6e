using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>Counts what the indicators are made of and adds it to the minutes of the views database, where every replica's counts meet.</summary>
public sealed class ServiceLevelRecorder(
    [FromKeyedServices(Connections.Views)] NpgsqlDataSource source, IOptions<ServiceLevelOptions> options, TimeProvider clock, ILogger<ServiceLevelRecorder> log) : BackgroundService
{
    /// <summary>Bucket of bad outcomes.</summary>
    public const short Bad = 0;

    /// <summary>Bucket of good outcomes.</summary>
    public const short Good = 1;

    /// <summary>While the database is away counts wait; beyond this many minutes' buckets further ones are dropped.</summary>
    private const int MaxWaiting = 10_000;

    private static readonly TimeSpan CleanEvery = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<Count, long> _waiting = new();

    /// <summary>Counts a time.</summary>
    public void Took(Indicator indicator, TimeSpan time) => Add(indicator, LatencyBuckets.Of(time), 1);

    /// <summary>Counts outcomes.</summary>
    public void Came(Indicator indicator, bool good, long times = 1) => Add(indicator, good ? Good : Bad, times);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.FlushInterval, clock);
        var cleaned = DateTimeOffset.MinValue;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await FlushAsync(stoppingToken);
            if (clock.GetUtcNow() - cleaned >= CleanEvery)
            {
                cleaned = clock.GetUtcNow();
                await CleanAsync(stoppingToken);
            }
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    private void Add(Indicator indicator, short bucket, long times)
    {
        var now = clock.GetUtcNow();
        var count = new Count(now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMinute)), indicator.Name, indicator.Store ?? "", bucket);
        if (_waiting.Count < MaxWaiting || _waiting.ContainsKey(count))
        {
            _waiting.AddOrUpdate(count, times, (_, before) => before + times);
        }
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        var taken = new List<KeyValuePair<Count, long>>();
        foreach (var count in _waiting.Keys)
        {
            if (_waiting.TryRemove(count, out var times))
            {
                taken.Add(new(count, times));
            }
        }
        if (taken.Count == 0)
        {
            return;
        }
        try
        {
            await AddToMinutesAsync(taken, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            foreach (var (count, times) in taken)
            {
                _waiting.AddOrUpdate(count, times, (_, since) => since + times);
            }
            log.LogWarning("Counts of the service levels wait for the views database: {Reason}", e.Message);
        }
    }

    // in the order of the key, so that replicas do not lock each other out
    private async Task AddToMinutesAsync(List<KeyValuePair<Count, long>> counts, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            INSERT INTO service_level AS known (minute, indicator, store, bucket, count)
            SELECT * FROM unnest($1, $2, $3, $4, $5) AS counted (minute, indicator, store, bucket, count) ORDER BY 1, 2, 3, 4
            ON CONFLICT (minute, indicator, store, bucket) DO UPDATE SET count = known.count + excluded.count
            """);
        command.Parameters.Add(new() { Value = counts.ConvertAll(count => count.Key.Minute).ToArray() });
        command.Parameters.Add(new() { Value = counts.ConvertAll(count => count.Key.Indicator).ToArray() });
        command.Parameters.Add(new() { Value = counts.ConvertAll(count => count.Key.Store).ToArray() });
        command.Parameters.Add(new() { Value = counts.ConvertAll(count => count.Key.Bucket).ToArray() });
        command.Parameters.Add(new() { Value = counts.ConvertAll(count => count.Value).ToArray() });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task CleanAsync(CancellationToken cancellation)
    {
        try
        {
            await using var command = source.CreateCommand("DELETE FROM service_level WHERE minute < $1");
            command.Parameters.Add(new() { Value = clock.GetUtcNow() - options.Value.Window });
            await command.ExecuteNonQueryAsync(cancellation);
        }
        catch (NpgsqlException e)
        {
            log.LogWarning("Old minutes of the service levels could not be deleted: {Reason}", e.Message);
        }
    }

    private readonly record struct Count(DateTimeOffset Minute, string Indicator, string Store, short Bucket);
}
