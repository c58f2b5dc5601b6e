using Npgsql;

namespace OrderPlatform.Setup;

/// <summary>Applies what is missing of a database's migrations, each in its own transaction, under a lock that a second set-up step waits for.</summary>
internal static class PostgresMigrations
{
    // any number that nobody else takes an advisory lock on
    private const long LockKey = 0x6f72646572706c;

    /// <returns>How many were applied.</returns>
    public static async Task<int> ApplyAsync(string connectionString, string database, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellation);
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({LockKey})", cancellation);
        await ExecuteAsync(
            connection,
            "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT NULL, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
            cancellation);

        var applied = await AppliedAsync(connection, cancellation);
        var count = 0;
        foreach (var migration in SqlMigration.Of(database))
        {
            if (applied.TryGetValue(migration.Number, out var hash))
            {
                migration.RefuseWhenEdited(hash);
                continue;
            }
            await ApplyAsync(connection, migration, cancellation);
            count++;
        }
        return count;
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, SqlMigration migration, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await ExecuteAsync(connection, migration.Sql, cancellation);
        await using var record = new NpgsqlCommand("INSERT INTO schema_migrations (number, name, hash) VALUES ($1, $2, $3)", connection)
        {
            Parameters = { new() { Value = migration.Number }, new() { Value = migration.Name }, new() { Value = migration.Hash } },
        };
        await record.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
    }

    private static async Task<Dictionary<int, string>> AppliedAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT number, hash FROM schema_migrations", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var applied = new Dictionary<int, string>();
        while (await reader.ReadAsync(cancellation))
        {
            applied[reader.GetInt32(0)] = reader.GetString(1);
        }
        return applied;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
