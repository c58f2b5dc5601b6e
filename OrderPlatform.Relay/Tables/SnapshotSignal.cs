using System.Text.Json;
using OrderPlatform.Contracts;

namespace OrderPlatform.Relay.Tables;

/// <summary>
/// A row of the signal table that asks for snapshots, after Debezium's signalling:
/// https://debezium.io/documentation/reference/stable/configuration/signalling.html#debezium-signaling-ad-hoc-snapshots
/// </summary>
internal static class SnapshotSignal
{
    private const string ExecuteSnapshot = "execute-snapshot";
    private const string Incremental = "incremental";

    /// <summary>The tables that an inserted row asks for; none when it is no such row.</summary>
    /// <param name="problem">What of it cannot be done; null when all can.</param>
    public static IReadOnlyList<TableName> Read(TableRow row, out string? problem)
    {
        problem = null;
        if (row["type"] != ExecuteSnapshot)
        {
            problem = $"its type is not {ExecuteSnapshot}";
            return [];
        }
        try
        {
            using var data = JsonDocument.Parse(row["data"] ?? "");
            if (data.RootElement.TryGetProperty("type", out var type) && !Incremental.Equals(type.GetString(), StringComparison.OrdinalIgnoreCase))
            {
                problem = $"only snapshots of type {Incremental} can be asked for";
                return [];
            }
            List<TableName> tables = [.. data.RootElement.GetProperty("data-collections").EnumerateArray().Select(name => TableName.Parse(name.GetString() ?? "")).Distinct()];
            problem = tables.Find(table => !table.IsCaptured) is { } stranger ? $"{stranger} is not among the captured tables ({string.Join(", ", TableName.Captured)})" : null;
            return [.. tables.Where(table => table.IsCaptured)];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            problem = $"its data is not {{\"data-collections\":[\"{CapturedTables.Schema}.{CapturedTables.Customers}\"]}}";
            return [];
        }
    }
}
