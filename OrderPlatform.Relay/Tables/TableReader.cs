using Npgsql;

namespace OrderPlatform.Relay.Tables;

/// <summary>A column of a primary key.</summary>
/// <param name="Type">As SQL names it.</param>
/// <param name="TypeOid">OID of the type.</param>
internal sealed record KeyColumn(string Name, string Type, uint TypeOid)
{
    /// <summary>For SQL.</summary>
    public string Quoted => $"\"{Name}\"";
}

/// <summary>Rows of a table in the order of the primary key.</summary>
/// <param name="HasMore">Whether there are rows behind them.</param>
internal sealed record TableChunk(IReadOnlyList<TableRow> Rows, bool HasMore);

/// <summary>Reads tables piece by piece. The connection's transaction must be set to <see cref="PostgresText.SetLocal"/>.</summary>
internal static class TableReader
{
    /// <summary>The columns of a table's primary key, in its order.</summary>
    /// <exception cref="InvalidOperationException">It has none.</exception>
    public static async Task<IReadOnlyList<KeyColumn>> KeyAsync(NpgsqlConnection connection, TableName table, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT attname, format_type(atttypid, atttypmod), atttypid FROM pg_index
            CROSS JOIN unnest(indkey) WITH ORDINALITY AS part (number, place) JOIN pg_attribute ON attrelid = indrelid AND attnum = part.number
            WHERE indrelid = to_regclass($1) AND indisprimary ORDER BY place
            """,
            connection) { Parameters = { new() { Value = table.Quoted } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var columns = new List<KeyColumn>();
        while (await reader.ReadAsync(cancellation))
        {
            columns.Add(new KeyColumn(reader.GetString(0), reader.GetString(1), reader.GetFieldValue<uint>(2)));
        }
        return columns.Count > 0 ? columns : throw new InvalidOperationException($"Table {table} has no primary key: its changes cannot be published. Give it one, or take it out of the publication.");
    }

    /// <summary>The rows behind a key.</summary>
    /// <param name="after">The key's values; null for the beginning.</param>
    public static async Task<TableChunk> ChunkAsync(NpgsqlConnection connection, TableName table, IReadOnlyList<KeyColumn> key, string[]? after, int size, CancellationToken cancellation)
    {
        var columns = string.Join(", ", key.Select(column => column.Quoted));
        var behind = after is null ? "" : $"WHERE ({columns}) > ({string.Join(", ", key.Select((column, index) => $"${index + 1}::text::{column.Type}"))})";
        await using var command = new NpgsqlCommand($"SELECT * FROM {table.Quoted} {behind} ORDER BY {columns} LIMIT {size + 1}", connection) { AllResultTypesAreUnknown = true };
        command.Parameters.AddRange((after ?? []).Select(value => new NpgsqlParameter<string> { TypedValue = value }).ToArray());
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<TableColumn> described = [.. Enumerable.Range(0, reader.FieldCount).Select(column => new TableColumn(reader.GetName(column), reader.GetDataTypeOID(column)))];
        var rows = new List<TableRow>();
        while (await reader.ReadAsync(cancellation))
        {
            if (rows.Count == size)
            {
                return new TableChunk(rows, HasMore: true);
            }
            rows.Add(new TableRow(described, [.. described.Select((_, column) => reader.IsDBNull(column) ? null : reader.GetString(column))]));
        }
        return new TableChunk(rows, HasMore: false);
    }

    /// <summary>Those of the keys that no row has, by their place in the list.</summary>
    public static async Task<IReadOnlyList<int>> MissingAsync(NpgsqlConnection connection, TableName table, IReadOnlyList<KeyColumn> key, IReadOnlyList<string[]> keys, CancellationToken cancellation)
    {
        var names = key.Select((_, index) => $"k{index}").ToList();
        await using var command = new NpgsqlCommand(
            $"""
            SELECT place::int - 1 FROM unnest({string.Join(", ", names.Select((_, index) => $"${index + 1}::text[]"))}) WITH ORDINALITY AS given ({string.Join(", ", names)}, place)
            WHERE NOT EXISTS (SELECT FROM {table.Quoted} WHERE {string.Join(" AND ", key.Zip(names, (column, name) => $"{column.Quoted} = given.{name}::{column.Type}"))})
            """,
            connection);
        command.Parameters.AddRange(key.Select((_, index) => new NpgsqlParameter<string[]> { TypedValue = [.. keys.Select(values => values[index])] }).ToArray());
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var missing = new List<int>();
        while (await reader.ReadAsync(cancellation))
        {
            missing.Add(reader.GetInt32(0));
        }
        return missing;
    }
}
