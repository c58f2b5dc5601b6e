using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Tests.Relay;
using OrderPlatform.Tests.Relay.Tables;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

/// <summary>Asking for a snapshot of a table; how one goes is tested in Relay/Tables.</summary>
public sealed class TableSnapshotsTests(PlatformFixture platform, EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_snapshot_that_is_asked_for_tells_every_row_again()
    {
        await engines.KafkaClientAsync(Cancellation);
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        using var put = await api.SendAsync(Post("/customers", $$"""{"id":"{{id}}","name":"A","email":"a@example.com"}"""), Cancellation);
        put.StatusCode.ShouldBe(HttpStatusCode.Created);

        using var asked = await api.SendAsync(Post("/operations/tables/customers/snapshot", ""), Cancellation);

        asked.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        asked.Headers.Location!.ToString().ShouldBe("/operations/tables/customers/snapshot");
        (await asked.ReadObjectAsync()).ToJsonString().ShouldBe("""{"table":"customers","state":"requested"}""");
        await RelayBed.EventuallyAsync(() => IsToldAsync(id), "the row, read incrementally");
        await RelayBed.EventuallyAsync(async () => (string)(await api.GetObjectAsync("/operations/tables/customers/snapshot"))["state"]! == "none", "the end of the snapshot");
    }

    [Fact]
    public async Task A_table_that_is_not_published_is_not_found_and_the_scope_is_needed()
    {
        var api = await platform.ApiAsync();
        using var clerk = await platform.ApiAsync(["orders:read"]);

        (await (await api.SendAsync(Post("/operations/tables/customer_keys/snapshot", ""), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.NotFound))["detail"]!.GetValue<string>().ShouldContain("customers, products, stock");
        await (await clerk.SendAsync(Post("/operations/tables/customers/snapshot", ""), Cancellation)).ShouldBeProblemAsync(HttpStatusCode.Forbidden);
    }

    private async Task<bool> IsToldAsync(string id)
    {
        using var reader = new TopicReader(await platform.KafkaAsync(), Topics.CustomerRows);
        var told = false;
        await reader.ReadToAsync(
            await reader.EndAsync(Cancellation),
            record => told |= TablesBed.Op(record) == "r" && Encoding.UTF8.GetString(record.Message.Key).Contains(id, StringComparison.Ordinal) && (string)TablesBed.Value(record)["source"]!["snapshot"]! == "incremental",
            Cancellation);
        return told;
    }
}
