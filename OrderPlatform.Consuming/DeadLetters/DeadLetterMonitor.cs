using System.Diagnostics.Metrics;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>Looks every second how many letters are open, for the metric and the alert. Nothing waits for it.</summary>
public sealed class DeadLetterMonitor : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _orders;
    private readonly DeadLetterAlert _alert;
    private volatile IReadOnlyList<OpenLetters> _open = [];

    public DeadLetterMonitor([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, DeadLetterAlert alert)
    {
        _orders = orders;
        _alert = alert;
        Telemetry.Meter.CreateObservableGauge("orderplatform.dead_letters", Measure, "{letter}", "Open dead letters by consumer");
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                _open = await DeadLetterCounts.ReadAsync(_orders, stoppingToken);
                await _alert.TellAsync(_open, stoppingToken);
            }
            catch (NpgsqlException)
            {
                // the health check of the database is red; the numbers stay as they were
            }
        }
    }

    private IEnumerable<Measurement<long>> Measure() => _open.Select(letters => new Measurement<long>(letters.Letters, KeyValuePair.Create<string, object?>("consumer", letters.Consumer)));
}
