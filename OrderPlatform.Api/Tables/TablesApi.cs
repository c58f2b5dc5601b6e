using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;

namespace OrderPlatform.Api.Tables;

/// <summary>The endpoints of the published tables (docs/decisions/0016).</summary>
internal static class TablesApi
{
    public static void MapTables(this WebApplication app)
    {
        var tables = app.MapGroup("/operations/tables/{table}/snapshot").WithTags("Operations").RequireScope(Scopes.Operations);
        tables.MapPost("/", RequestSnapshot.HandleAsync).WithName("RequestTableSnapshot").WithSummary("Publish all rows of a table again while its changes flow").Produces<TableSnapshotAnswer>(StatusCodes.Status202Accepted);
        tables.MapGet("/", GetSnapshot.HandleAsync).WithName("GetTableSnapshot").WithSummary("Read how far a table's snapshot is").Produces<TableSnapshotAnswer>();
    }

    /// <summary>The table's full name.</summary>
    /// <exception cref="ProblemException">404: its changes are not published.</exception>
    public static string FullName(string table) =>
        CapturedTables.All.Contains(table) ? $"{CapturedTables.Schema}.{table}" : throw ProblemException.NotFound($"published table {table}; there are {string.Join(", ", CapturedTables.All)}");
}

/// <summary>How far the snapshot of a table is.</summary>
/// <param name="State">requested; rows or deletes while they are published; none when none is under way. A request shows within a second.</param>
public sealed record TableSnapshotAnswer(string Table, string State);
