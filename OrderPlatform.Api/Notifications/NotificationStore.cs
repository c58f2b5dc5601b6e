using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Notifications;

/// <summary>The table of notifications.</summary>
internal sealed class NotificationStore([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock)
{
    private const int MaxClaimed = 20;

    /// <summary>Longer than sending may take: nobody else sends meanwhile, and after a crash somebody does.</summary>
    private static readonly TimeSpan Claimed = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);

    /// <summary>After this many tries, some hours in all, an e-mail is given up.</summary>
    private const int MaxAttempts = 12;

    /// <summary>Notes what is to be sent, in the connection's transaction. Whoever is not a customer here has no address: nothing is noted.</summary>
    public async Task AddAsync(NpgsqlConnection connection, IReadOnlyList<Notification> notifications, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO notification (event_id, customer_id, subject, body, due_at)
            SELECT new.event_id, new.customer_id, new.subject, new.body, $5 FROM unnest($1, $2, $3, $4) AS new (event_id, customer_id, subject, body)
            WHERE EXISTS (SELECT FROM customer_keys WHERE customer_keys.customer_id = new.customer_id)
            ON CONFLICT DO NOTHING
            """,
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. notifications.Select(notification => notification.EventId)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. notifications.Select(notification => notification.CustomerId)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. notifications.Select(notification => notification.Subject)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. notifications.Select(notification => notification.Body)] },
                new NpgsqlParameter<DateTimeOffset> { TypedValue = clock.GetUtcNow().Truncated() },
            },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Takes some that are due. Whoever takes one sends it, or is taken for crashed after a while.</summary>
    public async Task<IReadOnlyList<Notification>> ClaimAsync(CancellationToken cancellation)
    {
        var now = clock.GetUtcNow().Truncated();
        await using var command = source.CreateCommand(
            $"""
            UPDATE notification SET attempt = attempt + 1, due_at = $2
            WHERE event_id = ANY (ARRAY(SELECT event_id FROM notification WHERE due_at <= $1 ORDER BY due_at LIMIT {MaxClaimed} FOR UPDATE SKIP LOCKED))
            RETURNING event_id, customer_id, subject, body, attempt - 1
            """);
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset> { TypedValue = now });
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset> { TypedValue = now + Claimed });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var claimed = new List<Notification>();
        while (await reader.ReadAsync(cancellation))
        {
            claimed.Add(new Notification(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetInt32(4)));
        }
        return claimed;
    }

    /// <summary>It was sent.</summary>
    public Task SentAsync(Notification notification, CancellationToken cancellation) => UpdateAsync(notification, "Sent", dueAt: null, cancellation);

    /// <summary>There is nowhere to send it to.</summary>
    public Task UndeliverableAsync(Notification notification, CancellationToken cancellation) => UpdateAsync(notification, "Undeliverable", dueAt: null, cancellation);

    /// <summary>It could not be sent: later again, or never.</summary>
    public Task FailedAsync(Notification notification, CancellationToken cancellation) => notification.Attempt + 1 >= MaxAttempts
        ? UndeliverableAsync(notification, cancellation)
        : UpdateAsync(notification, "Due", clock.GetUtcNow().Truncated() + (FirstRetry * Math.Pow(2, notification.Attempt)), cancellation);

    private async Task UpdateAsync(Notification notification, string status, DateTimeOffset? dueAt, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("UPDATE notification SET status = $2, due_at = $3 WHERE event_id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = notification.EventId });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = status });
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset?> { TypedValue = dueAt });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
