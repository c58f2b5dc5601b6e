using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Setup;

/// <summary>
/// Applies what is missing of ClickHouse's migrations. ClickHouse has no transactions over statements: every statement is
/// written to be harmless when run again (IF NOT EXISTS), so a step that broke off half way is simply run again.
/// </summary>
internal static class ClickHouseMigrations
{
    private const string StatementEnd = ";\n";

    /// <returns>How many were applied.</returns>
    public static async Task<int> ApplyAsync(ClickHouseClient client, CancellationToken cancellation)
    {
        await client.CreateDatabaseAsync(cancellation);
        await client.QueryAsync("CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, name String, hash String) ENGINE = ReplacingMergeTree ORDER BY number", parameters: null, cancellation);

        var applied = (await client.QueryAsync("SELECT number, hash FROM schema_migrations FINAL", parameters: null, cancellation))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t'))
            .ToDictionary(fields => int.Parse(fields[0]), fields => fields[1]);
        var count = 0;
        foreach (var migration in SqlMigration.Of(Connections.ClickHouse))
        {
            if (applied.TryGetValue(migration.Number, out var hash))
            {
                migration.RefuseWhenEdited(hash);
                continue;
            }
            await ApplyAsync(client, migration, cancellation);
            count++;
        }
        return count;
    }

    private static async Task ApplyAsync(ClickHouseClient client, SqlMigration migration, CancellationToken cancellation)
    {
        foreach (var statement in migration.Sql.Split(StatementEnd, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            await client.QueryAsync(statement.TrimEnd(';'), parameters: null, cancellation);
        }
        var record = new Dictionary<string, string> { ["number"] = $"{migration.Number}", ["name"] = migration.Name, ["hash"] = migration.Hash };
        await client.QueryAsync("INSERT INTO schema_migrations SELECT {number:UInt32}, {name:String}, {hash:String}", record, cancellation);
    }
}
