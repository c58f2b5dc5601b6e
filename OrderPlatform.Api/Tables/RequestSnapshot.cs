using System.Text.Json;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;

namespace OrderPlatform.Api.Tables;

/// <summary>
/// POST /operations/tables/{table}/snapshot: writes the signal that the relay waits for. Readers of the topic get every row again, and
/// deletes of what the table has no more; a snapshot that is under way begins again.
/// </summary>
internal static class RequestSnapshot
{
    public static async Task<IResult> HandleAsync(HttpContext http, string table, IdempotentWrites writes)
    {
        var name = TablesApi.FullName(table);
        return await writes.RunAsync(http, ReadOnlyMemory<byte>.Empty, forGood: false, async (connection, cancellation) =>
        {
            await using var signal = new NpgsqlCommand($"INSERT INTO {CapturedTables.Signals} (id, type, data) VALUES ($1, 'execute-snapshot', $2)", connection)
            {
                Parameters = { new() { Value = Guid.CreateVersion7().ToString() }, new() { Value = $$"""{"data-collections":[{{JsonSerializer.Serialize(name)}}],"type":"incremental"}""" } },
            };
            await signal.ExecuteNonQueryAsync(cancellation);
            return Answer.Json(StatusCodes.Status202Accepted, new TableSnapshotAnswer(table, "requested"), ("Location", $"/operations/tables/{table}/snapshot"));
        });
    }
}
