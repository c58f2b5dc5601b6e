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

    private readonly ConcurrentDictionary<string, Known> _known = new();

    /// <summary>The caller of that key, or null for a key that does not exist or was revoked.</summary>
    public async ValueTask<Caller?> FindAsync(string key, CancellationToken cancellation)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        var name = Convert.ToHexString(hash);
        var now = clock.GetUtcNow();
        if (!_known.TryGetValue(name, out var known) || !known.Holds(now))
        {
            if (_known.Count >= MaxRemembered)
            {
                _known.Clear();
            }
            var reading = new Known(new(() => ReadAsync(hash)), now + Remembered);
            known = _known.AddOrUpdate(name, reading, (_, other) => other.Holds(now) ? other : reading);
        }
        return await known.Caller.Value.WaitAsync(cancellation);
    }

    private async Task<Caller?> ReadAsync(byte[] hash)
    {
        await using var command = source.CreateCommand("SELECT name, scopes, requests_per_second FROM api_keys WHERE hash = $1 AND revoked_at IS NULL");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        await using var reader = await command.ExecuteReaderAsync();
        return await reader.ReadAsync()
            ? new Caller(reader.GetString(0), reader.GetFieldValue<string[]>(1).ToHashSet(), reader.GetInt32(2))
            : null;
    }

    /// <param name="Caller">Read once for all who ask meanwhile: of many requests at once each would take a connection for it.</param>
    private sealed record Known(Lazy<Task<Caller?>> Caller, DateTimeOffset Until)
    {
        public bool Holds(DateTimeOffset now) => Until > now && !(Caller.IsValueCreated && Caller.Value.IsFaulted);
    }
}
