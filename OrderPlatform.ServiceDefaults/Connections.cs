using Microsoft.Extensions.Configuration;

namespace OrderPlatform.ServiceDefaults;

/// <summary>The connection names of <c>ConnectionStrings:*</c>, the same in both modes. No hyphens: some deployment targets rewrite them.</summary>
public static class Connections
{
    /// <summary>PostgreSQL: the orders database, which is the source of truth.</summary>
    public const string Orders = "orders";

    /// <summary>PostgreSQL: the database of the derived order and customer views.</summary>
    public const string Views = "views";

    /// <summary>Kafka's bootstrap servers, host:port[,host:port].</summary>
    public const string Kafka = "kafka";

    /// <summary>Redis, in StackExchange.Redis' format.</summary>
    public const string Redis = "redis";

    /// <summary>ClickHouse's HTTP interface; the format is <see cref="Clients.ClickHouseConnection"/>'s.</summary>
    public const string ClickHouse = "clickhouse";

    /// <summary>The connection string of that name.</summary>
    /// <exception cref="InvalidOperationException">There is none; the message names the mend.</exception>
    public static string Required(this IConfiguration configuration, string name) =>
        configuration.GetConnectionString(name) is { Length: > 0 } value
            ? value
            : throw new InvalidOperationException(
                $"The connection string '{name}' is missing. Start the platform with `dotnet run --project OrderPlatform.AppHost`, which sets it, or set ConnectionStrings__{name}.");
}
