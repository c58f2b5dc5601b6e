using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace OrderPlatform.Setup;

/// <summary>The key with every scope that a development host makes and prints. Production sets none, so none is made.</summary>
public static class DevelopmentKey
{
    private static readonly string[] EveryScope = ["orders:read", "orders:write", "orders:import", "analytics:read", "products:read", "pii:read", "operations"];

    /// <summary>High enough for an import at full speed.</summary>
    private const int RequestsPerSecond = 100_000;

    /// <summary>Makes <paramref name="key"/> the one key named development; any earlier one of that name stops working.</summary>
    public static async Task EnsureAsync(string connectionString, string key, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO api_keys (hash, name, scopes, requests_per_second) VALUES ($1, 'development', $2, $3)
            ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes, requests_per_second = excluded.requests_per_second
            """,
            connection)
        {
            Parameters = { new() { Value = SHA256.HashData(Encoding.UTF8.GetBytes(key)) }, new() { Value = EveryScope }, new() { Value = RequestsPerSecond } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
