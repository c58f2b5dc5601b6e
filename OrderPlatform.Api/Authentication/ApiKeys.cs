using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Authentication;

/// <summary>Who calls: the key's name, what it may do and how often.</summary>
public sealed record Caller(string Name, IReadOnlySet<string> Scopes, int RequestsPerSecond);

/// <summary>Finds the caller of a key. Answers are remembered for a moment, so a revoked key is refused within that time.</summary>
public sealed class ApiKeys([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock)
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(10);

    /// <summary>Guessing must not fill the memory: beyond this many keys all are forgotten.</summary>
    private const int MaxRemembered = 10_000;

    private readonly ConcurrentDictionary<string, (Caller? Caller, DateTimeOffset Until)> _known = new();

    /// <summary>The caller of that key, or null for a key that does not exist or was revoked.</summary>
    public async ValueTask<Caller?> FindAsync(string key, CancellationToken cancellation)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        var name = Convert.ToHexString(hash);
        if (_known.TryGetValue(name, out var known) && known.Until > clock.GetUtcNow())
        {
            return known.Caller;
        }
        var caller = await ReadAsync(hash, cancellation);
        if (_known.Count >= MaxRemembered)
        {
            _known.Clear();
        }
        _known[name] = (caller, clock.GetUtcNow() + Remembered);
        return caller;
    }

    private async Task<Caller?> ReadAsync(byte[] hash, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT name, scopes, requests_per_second FROM api_keys WHERE hash = $1 AND revoked_at IS NULL");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? new Caller(reader.GetString(0), reader.GetFieldValue<string[]>(1).ToHashSet(), reader.GetInt32(2))
            : null;
    }
}
