using Npgsql;
using OrderPlatform.Consuming;

namespace OrderPlatform.Projections.CustomerView;

/// <summary>The table customer_view. The order in which changes are written does not matter: each row goes by its place.</summary>
internal static class CustomerViewTable
{
    /// <summary>Writes rows, each once, and then takes away what was there before a TRUNCATE.</summary>
    /// <param name="truncated">The place of the last TRUNCATE in the batch; null when there is none.</param>
    public static async Task WriteAsync(NpgsqlConnection connection, IReadOnlyList<CustomerViewRow> rows, ChangePlace? truncated, CancellationToken cancellation)
    {
        // Consumers of other partitions wait here for each other's TRUNCATE: what it took away does not come back behind its back.
        var last = await TruncatedAsync(connection, forUpdate: truncated is not null, cancellation);
        if (truncated is { } place && place.IsBehind(last))
        {
            last = place;
            await TruncateAsync(connection, place, cancellation);
        }
        await UpsertAsync(connection, [.. rows.Where(row => row.Place.IsBehind(last))], cancellation);
    }

    /// <summary>Writes a row over whatever was there, whatever its place said; nothing when the customer is gone.</summary>
    public static async Task ReplaceAsync(NpgsqlConnection connection, string id, CustomerViewRow? row, CancellationToken cancellation)
    {
        await using var delete = new NpgsqlCommand("DELETE FROM customer_view WHERE id = $1", connection) { Parameters = { new() { Value = id } } };
        await delete.ExecuteNonQueryAsync(cancellation);
        if (row is not null)
        {
            await UpsertAsync(connection, [row], cancellation);
        }
    }

    private static async Task<ChangePlace> TruncatedAsync(NpgsqlConnection connection, bool forUpdate, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT commit_lsn, lsn FROM customer_view_truncation FOR {(forUpdate ? "UPDATE" : "SHARE")}", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new ChangePlace(reader.GetInt64(0), reader.GetInt64(1));
    }

    private static async Task TruncateAsync(NpgsqlConnection connection, ChangePlace place, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("UPDATE customer_view_truncation SET commit_lsn = $1, lsn = $2") { Parameters = { new() { Value = place.Commit }, new() { Value = place.Lsn } } },
                new("DELETE FROM customer_view WHERE (commit_lsn, lsn) <= ($1, $2)") { Parameters = { new() { Value = place.Commit }, new() { Value = place.Lsn } } },
            },
        };
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task UpsertAsync(NpgsqlConnection connection, IReadOnlyList<CustomerViewRow> rows, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO customer_view AS view (id, name, email, phone, address, version, created_at, updated_at, deleted, commit_lsn, lsn)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, phone = excluded.phone, address = excluded.address, version = excluded.version,
                created_at = excluded.created_at, updated_at = excluded.updated_at, deleted = excluded.deleted, commit_lsn = excluded.commit_lsn, lsn = excluded.lsn
            WHERE (view.commit_lsn, view.lsn) < (excluded.commit_lsn, excluded.lsn)
            """,
            connection)
        {
            Parameters =
            {
                Column(rows, row => row.Id),
                Column(rows, row => row.Customer?.Name),
                Column(rows, row => row.Customer?.Email),
                Column(rows, row => row.Customer?.Phone),
                Column(rows, row => row.Customer?.Address),
                Column(rows, row => row.Customer?.Version),
                Column(rows, row => row.Customer?.CreatedAt),
                Column(rows, row => row.Customer?.UpdatedAt),
                Column(rows, row => row.Customer is null),
                Column(rows, row => row.Place.Commit),
                Column(rows, row => row.Place.Lsn),
            },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static NpgsqlParameter<T[]> Column<T>(IReadOnlyList<CustomerViewRow> rows, Func<CustomerViewRow, T> of) => new() { TypedValue = [.. rows.Select(of)] };
}
