using System.Net.Http.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>
/// Posts one alert when the open letters reach the threshold. Whether it was delivered is kept in PostgreSQL, so that restarts
/// and replicas send no second one; killed between delivery and that record, it is sent once more.
/// </summary>
public sealed class DeadLetterAlert(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IHttpClientFactory clients, IOptions<DeadLetterOptions> options, TimeProvider clock, ILogger<DeadLetterAlert> log)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(3);

    private readonly Backoff _backoff = new();
    private DateTimeOffset _nextTry = DateTimeOffset.MinValue;

    /// <summary>Sends the alert when it is due. A webhook that is away is tried again at a later call.</summary>
    internal async Task TellAsync(IReadOnlyList<OpenLetters> open, CancellationToken cancellation)
    {
        if (options.Value.Webhook is not { } webhook || clock.GetUtcNow() < _nextTry)
        {
            return;
        }
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        if (await TakeTurnAsync(connection, cancellation) is not { } delivered)
        {
            return; // another replica is at it
        }
        var reached = open.Sum(letters => letters.Letters) >= options.Value.AlertThreshold;
        if (reached == delivered || (reached && !await TryPostAsync(webhook, open, cancellation)))
        {
            return;
        }
        await using var record = new NpgsqlCommand("UPDATE dead_letter_alert SET delivered_at = CASE WHEN $1 THEN now() END", connection) { Parameters = { new() { Value = reached } } };
        await record.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
    }

    /// <returns>Whether this crossing's alert was delivered; null while another process holds the row.</returns>
    private static async Task<bool?> TakeTurnAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT delivered_at IS NOT NULL FROM dead_letter_alert FOR UPDATE SKIP LOCKED", connection);
        return await command.ExecuteScalarAsync(cancellation) as bool?;
    }

    private async Task<bool> TryPostAsync(string webhook, IReadOnlyList<OpenLetters> open, CancellationToken cancellation)
    {
        var alert = new Alert(
            open.Sum(letters => letters.Letters), [.. open.Select(letters => new ConsumerOfAlert(letters.Consumer, letters.Letters, letters.Keys))], open.Min(letters => letters.Oldest), clock.GetUtcNow());
        try
        {
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            bound.CancelAfter(Bound);
            using var client = clients.CreateClient();
            using var answer = await client.PostAsJsonAsync(webhook, alert, PlatformJson.Options, bound.Token);
            answer.EnsureSuccessStatusCode();
            _backoff.Reset();
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            var pause = _backoff.Next();
            _nextTry = clock.GetUtcNow() + pause;
            ProjectionLog.AlertNotDelivered(log, alert.OpenLetters, e.Message, pause.TotalSeconds);
            return false;
        }
    }

    /// <summary>What is posted.</summary>
    /// <param name="Oldest">When the oldest open letter was parked.</param>
    private sealed record Alert(long OpenLetters, IReadOnlyList<ConsumerOfAlert> Consumers, DateTimeOffset Oldest, DateTimeOffset At);

    private sealed record ConsumerOfAlert(string Name, long OpenLetters, long ParkedKeys);
}
