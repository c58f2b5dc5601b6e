using System.Net;
using System.Net.Mail;
using System.Text;
using Microsoft.Extensions.Options;

namespace OrderPlatform.Api.Notifications;

/// <summary>Sends e-mails.</summary>
internal interface IMailer
{
    /// <summary>Sends one. Sent twice it has the same Message-ID.</summary>
    Task SendAsync(Notification notification, MailAddress to, CancellationToken cancellation);
}

/// <summary>Writes each e-mail as a file named after its event, in the form of RFC 5322: one that is repeated takes the place of the first.</summary>
internal sealed class FolderMailer(IOptions<NotificationOptions> options, TimeProvider clock) : IMailer
{
    public async Task SendAsync(Notification notification, MailAddress to, CancellationToken cancellation)
    {
        var folder = options.Value.Folder!;
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, $"{notification.EventId:D}.eml");
        var partial = $"{file}.{Guid.NewGuid():N}.partial";
        var text =
            $"""
            Message-ID: {notification.MessageId}
            Date: {clock.GetUtcNow():R}
            From: {options.Value.From}
            To: {to.Address}
            Subject: {notification.Subject}
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: base64

            {Convert.ToBase64String(Encoding.UTF8.GetBytes(notification.Body), Base64FormattingOptions.InsertLineBreaks)}

            """;
        await File.WriteAllTextAsync(partial, text.ReplaceLineEndings("\r\n"), cancellation);
        File.Move(partial, file, overwrite: true);
    }
}

/// <summary>Hands each e-mail to an SMTP server.</summary>
internal sealed class SmtpMailer(IOptions<NotificationOptions> options) : IMailer
{
    public async Task SendAsync(Notification notification, MailAddress to, CancellationToken cancellation)
    {
        var smtp = options.Value.Smtp!;
        using var message = new MailMessage(new MailAddress(options.Value.From), to) { Subject = notification.Subject, Body = notification.Body, BodyEncoding = Encoding.UTF8 };
        message.Headers.Add("Message-ID", notification.MessageId);
        using var client = new SmtpClient(smtp.Host, smtp.Port) { EnableSsl = smtp.Tls };
        if (smtp.User is not null)
        {
            client.Credentials = new NetworkCredential(smtp.User, smtp.Password);
        }
        await client.SendMailAsync(message, cancellation);
    }
}

/// <summary>Registration of the mailer that the configuration asks for.</summary>
internal static class NotificationExtensions
{
    public static void AddNotifications(this WebApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection("Notifications");
        builder.Services.AddOptions<NotificationOptions>().Bind(section)
            .Validate(mail => MailAddress.TryCreate(mail.From, out _), "Notifications:From must be an e-mail address.")
            .Validate(mail => mail.Smtp is null or { Host.Length: > 0, Port: > 0 and < 65536 }, "Notifications:Smtp needs a Host, and a Port from 1 to 65535.")
            .ValidateOnStart();
        builder.Services.AddSingleton<NotificationStore>();
        if (section.GetSection("Smtp").Exists())
        {
            builder.Services.AddSingleton<IMailer, SmtpMailer>();
        }
        else if (section["Folder"] is { Length: > 0 })
        {
            builder.Services.AddSingleton<IMailer, FolderMailer>();
        }
    }
}
