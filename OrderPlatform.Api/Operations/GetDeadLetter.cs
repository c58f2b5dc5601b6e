using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Operations;

/// <summary>GET /operations/dead-letters/{id}: the record itself, and what was done to it.</summary>
internal static class GetDeadLetter
{
    public static async Task<IResult> HandleAsync(string id, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return Answer.Json(StatusCodes.Status200OK, await DeadLetterStore.InspectAsync(connection, id, cancellation));
    }
}
