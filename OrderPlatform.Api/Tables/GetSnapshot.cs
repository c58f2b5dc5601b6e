using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Tables;

/// <summary>GET /operations/tables/{table}/snapshot.</summary>
internal static class GetSnapshot
{
    public static async Task<Ok<TableSnapshotAnswer>> HandleAsync(string table, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, CancellationToken cancellation)
    {
        await using var command = orders.CreateCommand("SELECT phase FROM table_snapshot WHERE table_name = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = TablesApi.FullName(table) });
        return TypedResults.Ok(new TableSnapshotAnswer(table, await command.ExecuteScalarAsync(cancellation) as string ?? "none"));
    }
}
