using System.Net;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class StuckDatabaseTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_write_that_takes_too_long_is_given_up_and_can_be_sent_again()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        var key = Guid.NewGuid().ToString();
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using (var connection = await source.OpenConnectionAsync(Cancellation))
        {
            await using var transaction = await connection.BeginTransactionAsync(Cancellation);
            await using var hold = new NpgsqlCommand("SELECT 1 FROM orders WHERE id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = Guid.Parse((string)order["id"]!) } } };
            await hold.ExecuteScalarAsync(Cancellation);

            using var stuck = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", "", key), Cancellation);

            await stuck.ShouldBeProblemAsync(HttpStatusCode.ServiceUnavailable);
            stuck.Headers.RetryAfter.ShouldNotBeNull();
        }
        (await api.GetObjectAsync($"/orders/{order["id"]}"))["version"]!.ToJsonString().ShouldBe("1");

        using var again = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", "", key), Cancellation);

        again.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
