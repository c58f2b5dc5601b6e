using NpgsqlTypes;
using OrderPlatform.Contracts;

namespace OrderPlatform.Relay.Tables;

/// <summary>A table of the database.</summary>
internal sealed record TableName(string Schema, string Name)
{
    /// <summary>Where its changes are published.</summary>
    public string Topic => Topics.OfTable(Schema, Name);

    /// <summary>For SQL.</summary>
    public string Quoted => $"\"{Schema}\".\"{Name}\"";

    /// <summary>Whether its rows are asked for by a snapshot, and published.</summary>
    public bool IsCaptured => Schema == CapturedTables.Schema && CapturedTables.All.Contains(Name);

    /// <summary>The captured tables.</summary>
    public static IReadOnlyList<TableName> Captured { get; } = [.. CapturedTables.All.Select(table => new TableName(CapturedTables.Schema, table))];

    /// <summary>From schema.table.</summary>
    public static TableName Parse(string name) => name.Split('.', 2) is [var schema, var table] ? new TableName(schema, table) : new TableName("", name);

    /// <summary>schema.table.</summary>
    public override string ToString() => $"{Schema}.{Name}";
}

/// <summary>A column of a row.</summary>
/// <param name="Type">OID of its type.</param>
internal readonly record struct TableColumn(string Name, uint Type);

/// <summary>A row, its values as PostgreSQL's text; null is NULL.</summary>
internal sealed record TableRow(IReadOnlyList<TableColumn> Columns, IReadOnlyList<string?> Values)
{
    /// <summary>The value of a column.</summary>
    public string? this[string column] => Values[Columns.Index().First(at => at.Item.Name == column).Index];
}

/// <summary>What happened, as Debezium's <c>op</c>.</summary>
internal enum Operation
{
    /// <summary>A row was inserted.</summary>
    Create = 'c',

    /// <summary>A row was updated.</summary>
    Update = 'u',

    /// <summary>A row was deleted.</summary>
    Delete = 'd',

    /// <summary>A row was read by a snapshot.</summary>
    Read = 'r',

    /// <summary>All rows were removed.</summary>
    Truncate = 't',
}

/// <summary>Where a change comes from.</summary>
/// <param name="At">When: its commit; of a snapshot, the reading.</param>
/// <param name="Snapshot">Debezium's <c>source.snapshot</c>; <c>false</c> for a change of the stream.</param>
/// <param name="Commit">
/// Where the commit of its transaction stands in the WAL; of what a snapshot has read: a place that everything it shows was committed
/// before, and that everything which it does not show is committed at or behind.
/// </param>
/// <param name="Lsn">Where the change itself stands; null when it was read incrementally, as with Debezium.</param>
/// <param name="TransactionId">Its transaction; null for a snapshot.</param>
internal sealed record ChangeSource(DateTimeOffset At, string Snapshot, NpgsqlLogSequenceNumber Commit, NpgsqlLogSequenceNumber? Lsn, uint? TransactionId)
{
    /// <summary><c>source.snapshot</c> of the stream.</summary>
    public const string Streamed = "false";

    /// <summary><c>source.snapshot</c> of an incremental snapshot.</summary>
    public const string Incremental = "incremental";
}

/// <summary>A change of a table, or a row that a snapshot has read.</summary>
/// <param name="Key">Names of the primary key's columns.</param>
/// <param name="Before">The row before; null when there was none or it is not known.</param>
/// <param name="After">The row after; null when there is none.</param>
internal sealed record TableChange(TableName Table, Operation Operation, IReadOnlyList<string> Key, TableRow? Before, TableRow? After, ChangeSource Source);
