using Npgsql;
using OrderPlatform.Api.Storage;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Idempotency;

/// <summary>Forgets expired answers.</summary>
internal sealed class IdempotencyCleanup([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, ILogger<IdempotencyCleanup> log)
    : Cleanup("Expired idempotency keys", clock, log)
{
    /// <inheritdoc />
    protected override async Task<int> DeleteChunkAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            $"DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE expires_at < now() LIMIT {Chunk} FOR UPDATE SKIP LOCKED))");
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
