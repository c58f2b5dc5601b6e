namespace OrderPlatform.Api.Notifications;

/// <summary>Configuration <c>Notifications</c>: by SMTP when a server is given, else into a folder when one is given, else not at all.</summary>
public sealed class NotificationOptions
{
    /// <summary>The sender's address.</summary>
    public string From { get; set; } = "orders@orderplatform.example";

    /// <summary>Where e-mails are written as files, one for each, when no SMTP server is given.</summary>
    public string? Folder { get; set; }

    /// <summary>The server that e-mails are handed to.</summary>
    public SmtpOptions? Smtp { get; set; }
}

/// <summary>Configuration <c>Notifications:Smtp</c>.</summary>
public sealed class SmtpOptions
{
    /// <summary>Its name or address.</summary>
    public string Host { get; set; } = "";

    /// <summary>587 is for submission (RFC 6409).</summary>
    public int Port { get; set; } = 587;

    /// <summary>Whether the connection is encrypted (STARTTLS).</summary>
    public bool Tls { get; set; } = true;

    /// <summary>User name; null when the server wants none.</summary>
    public string? User { get; set; }

    /// <summary>Its password.</summary>
    public string? Password { get; set; }
}
