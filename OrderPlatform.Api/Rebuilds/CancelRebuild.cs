using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>POST /operations/rebuilds/{id}/cancel: until the swap begins. What was built is removed, the live store was never touched.</summary>
internal static class CancelRebuild
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, IdempotentWrites writes, RebuildRequests requests, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views) =>
        await writes.RunAsync(http, ReadOnlyMemory<byte>.Empty, forGood: false, async (_, cancellation) =>
        {
            var rebuild = await requests.GetAsync(id, cancellation);
            await using var command = views.CreateCommand("UPDATE rebuild SET cancel_requested = true WHERE id = $1 AND kind = 'rebuild' AND finished_at IS NULL AND state <> 'swapping'");
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Guid.Parse(rebuild.Id) });
            return await command.ExecuteNonQueryAsync(cancellation) == 1
                ? RebuildRequests.Accepted(rebuild)
                : throw new ProblemException(StatusCodes.Status409Conflict, "It has ended, or its last step has begun: nothing can be cancelled any more.");
        });
}
