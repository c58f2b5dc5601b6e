using System.Data.Common;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>A ClickHouse connection string: <c>Host=...;Port=8123;Protocol=http;Username=default;Password=;Database=analytics</c>.</summary>
/// <param name="Endpoint">The server's HTTP interface.</param>
/// <param name="Username">ClickHouse user.</param>
/// <param name="Password">Its password; empty when it has none.</param>
/// <param name="Database">The database that unqualified names belong to.</param>
public sealed record ClickHouseConnection(Uri Endpoint, string Username, string Password, string Database)
{
    /// <summary>Reads a connection string; only Host is required.</summary>
    /// <exception cref="FormatException">It has no Host, or its port or protocol is none.</exception>
    public static ClickHouseConnection Parse(string connectionString)
    {
        var parts = new DbConnectionStringBuilder { ConnectionString = connectionString };
        string Part(string key, string otherwise) => parts.TryGetValue(key, out var value) && value is string { Length: > 0 } text ? text : otherwise;

        var address = $"{Part("Protocol", "http")}://{Part("Host", "")}:{Part("Port", "8123")}/";
        return Uri.TryCreate(address, UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https"
            ? new ClickHouseConnection(endpoint, Part("Username", "default"), Part("Password", ""), Part("Database", "default"))
            : throw new FormatException("The ClickHouse connection string needs Host, and Port and Protocol (http or https) where they are not 8123 and http: Host=localhost;Port=8123;Protocol=http;Database=analytics.");
    }
}
