using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>The service levels over the window.</summary>
/// <param name="Window">How far back, as days.hours:minutes:seconds.</param>
/// <param name="Indicators">Each indicator over the window, and those of the relay's replication slots as they stand now.</param>
public sealed record ServiceLevelAnswer(string Window, IReadOnlyList<IndicatorAnswer> Indicators);

/// <summary>One indicator.</summary>
/// <param name="Store">The store or the replication slot that it is about; null when it is about none.</param>
/// <param name="Value">Null while nothing was measured.</param>
/// <param name="Met">Whether the value holds the objective; null while nothing was measured.</param>
public sealed record IndicatorAnswer(string Name, string? Store, double? Value, double Objective, bool? Met);

/// <summary>Makes the report from the minutes in the views database.</summary>
public sealed class ServiceLevelReport([FromKeyedServices(Connections.Views)] NpgsqlDataSource source, IOptions<ServiceLevelOptions> options, TimeProvider clock)
{
    /// <summary>The report of now.</summary>
    /// <exception cref="NpgsqlException">The views database is away.</exception>
    public async Task<ServiceLevelAnswer> ReadAsync(CancellationToken cancellation)
    {
        var counts = await CountsAsync(cancellation);
        return new ServiceLevelAnswer(
            options.Value.Window.ToString(@"d\.hh\:mm\:ss"),
            [.. Indicator.All.Select(indicator =>
            {
                var value = indicator.ValueOf(counts.GetValueOrDefault((indicator.Name, indicator.Store ?? "")));
                return new IndicatorAnswer(indicator.Name, indicator.Store, value, indicator.Objective, value is { } measured ? indicator.IsMetBy(measured) : null);
            })]);
    }

    private async Task<Dictionary<(string Indicator, string Store), Dictionary<short, long>>> CountsAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT indicator, store, bucket, sum(count)::bigint FROM service_level WHERE minute > $1 GROUP BY 1, 2, 3");
        command.Parameters.Add(new() { Value = clock.GetUtcNow() - options.Value.Window });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var counts = new Dictionary<(string, string), Dictionary<short, long>>();
        while (await reader.ReadAsync(cancellation))
        {
            var key = (reader.GetString(0), reader.GetString(1));
            if (!counts.TryGetValue(key, out var buckets))
            {
                counts[key] = buckets = [];
            }
            buckets[reader.GetInt16(2)] = reader.GetInt64(3);
        }
        return counts;
    }
}
