using System.Net.Mail;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Customers;
using OrderPlatform.Api.Saga;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Notifications;

/// <summary>
/// Tells customers by e-mail what happens to their orders. Noted in the transaction of the message, claimed before it is sent,
/// marked afterwards: a crash can repeat an e-mail, and its Message-ID says so.
/// </summary>
internal sealed partial class NotificationsParticipant(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, NotificationStore store, CustomerStore customers, TimeProvider clock, ILogger<NotificationsParticipant> log, IMailer? mailer = null)
    : Participant("notifications", source, typeof(OrderConfirmed), typeof(OrderShipped), typeof(OrderDelivered), typeof(OrderCancelled)), ITimed
{
    /// <summary>Nobody wants to read of what happened earlier than this: it is history that is consumed for the first time.</summary>
    private static readonly TimeSpan Newsworthy = TimeSpan.FromDays(1);

    /// <summary>Sends what is due.</summary>
    public async Task<bool> TickAsync(CancellationToken cancellation)
    {
        if (mailer is null)
        {
            LogNowhere(log);
            await Task.Delay(Timeout.Infinite, cancellation);
        }
        var claimed = await store.ClaimAsync(cancellation);
        foreach (var notification in claimed)
        {
            await SendAsync(mailer!, notification, cancellation);
        }
        return claimed.Count > 0;
    }

    protected override async Task HandleAsync(NpgsqlConnection connection, IReadOnlyList<Record> messages, CancellationToken cancellation)
    {
        if (mailer is not null)
        {
            var news = messages.Where(message => clock.GetUtcNow() - message.OccurredAt < Newsworthy);
            await store.AddAsync(connection, [.. news.Select(message => Notification.Of(Guid.Parse(message.Id), message.Read<OrderEvent>()))], cancellation);
        }
    }

    private async Task SendAsync(IMailer sender, Notification notification, CancellationToken cancellation)
    {
        if (await AddressAsync(notification.CustomerId, cancellation) is not { } to)
        {
            await store.UndeliverableAsync(notification, cancellation);
            return;
        }
        try
        {
            await sender.SendAsync(notification, to, cancellation);
        }
        catch (Exception e) when (e is SmtpException or IOException or UnauthorizedAccessException)
        {
            // its message may hold the address
            LogFailed(log, notification.EventId, notification.Attempt + 1, (e as SmtpException)?.StatusCode.ToString() ?? e.GetType().Name);
            await store.FailedAsync(notification, cancellation);
            return;
        }
        await store.SentAsync(notification, cancellation);
    }

    // null for a customer who was erased, and for what is no address after all
    private async Task<MailAddress?> AddressAsync(string customerId, CancellationToken cancellation)
    {
        await using var connection = await Source.OpenConnectionAsync(cancellation);
        await using var context = CustomersContext.On(connection);
        var customer = await context.Customers.AsNoTracking().SingleOrDefaultAsync(customer => customer.Id == customerId, cancellation);
        var key = customer is null ? null : await customers.KeyAsync(context, customerId, cancellation);
        var email = key?.Open(PersonalFields.Email, customer!.Email);
        return email is not null && !email.Any(char.IsControl) && MailAddress.TryCreate(email, out var address) ? address : null;
    }

    [LoggerMessage(22, LogLevel.Information, "Customers get no e-mails: set Notifications:Smtp, or Notifications:Folder to have them written to files")]
    private static partial void LogNowhere(ILogger logger);

    [LoggerMessage(23, LogLevel.Warning, "The e-mail about event {EventId} could not be sent, try {Attempt}: {Reason}")]
    private static partial void LogFailed(ILogger logger, Guid eventId, int attempt, string reason);
}
