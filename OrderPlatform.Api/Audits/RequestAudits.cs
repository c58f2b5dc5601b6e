using Npgsql;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Audits;

/// <summary>What shall be audited.</summary>
/// <param name="Audits">Names of audits; all when left out.</param>
public sealed record RequestAuditsRequest(IReadOnlyList<string?>? Audits = null);

/// <summary>What was asked for, and is not done yet.</summary>
public sealed record AuditRequested(Guid Id);

/// <summary>POST /audits: asks the auditor to compare the stores now.</summary>
internal static class RequestAudits
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, JsonBody<RequestAuditsRequest> body, IdempotentWrites writes, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var audits = Checked(body.Value?.Audits);
        return await AskAsync(http, body.Bytes, writes, id => AuditRuns.RequestAsync(views, id, audits, http.Caller().Name, reason: null, repairOf: null, cancellation), () => Task.CompletedTask);
    }

    /// <summary>
    /// Answers with the id of a run, which is kept with the key, and then asks for that run: whoever repeats the request, because
    /// the second step failed, asks for the same run.
    /// </summary>
    public static async Task<IResult> AskAsync(HttpContext http, ReadOnlyMemory<byte> body, IdempotentWrites writes, Func<Guid, Task> request, Func<Task> check)
    {
        var answer = await writes.RunAsync(http, body, forGood: false, async (_, _) =>
        {
            await check();
            var id = Guid.CreateVersion7();
            return Answer.Json(StatusCodes.Status202Accepted, new AuditRequested(id), ("Location", $"/audits/{id}"));
        });
        await request(Guid.Parse(answer.Headers["Location"]["/audits/".Length..]));
        return answer;
    }

    private static IReadOnlyList<string> Checked(IReadOnlyList<string?>? audits)
    {
        if (audits is null)
        {
            return AuditNames.All;
        }
        return audits.Count > 0 && audits.All(audit => audit is not null && AuditNames.All.Contains(audit))
            ? [.. AuditNames.All.Where(audits.Contains)]
            : throw ProblemException.Invalid("audits", $"must be left out, or name at least one of {string.Join(", ", AuditNames.All)}.");
    }
}
