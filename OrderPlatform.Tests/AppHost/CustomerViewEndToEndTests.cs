using System.Net;
using System.Text;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Tests.Relay;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.AppHost;

/// <summary>A customer's way from the Api through the changes of the table to the customer view, on the platform as a user starts it.</summary>
public sealed class CustomerViewEndToEndTests(PlatformFixture platform, EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_customer_comes_to_the_view_and_no_personal_field_is_in_the_topic_or_the_view_in_plain_text()
    {
        await engines.KafkaClientAsync(Cancellation);
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        using var registered = await api.SendAsync(Post("/customers", $$"""{"id":"{{id}}","name":"Grace {{id}}","email":"grace+{{id}}@example.com","phone":"+1 555 0100","address":"Arlington"}"""), Cancellation);
        registered.StatusCode.ShouldBe(HttpStatusCode.Created);
        using var changed = await api.SendAsync(Patch($"/customers/{id}", $$"""{"email":"hopper+{{id}}@example.com"}""", "\"1\""), Cancellation);
        changed.StatusCode.ShouldBe(HttpStatusCode.OK);

        const string Row = "SELECT encode(name, 'hex') || encode(email, 'hex') || encode(phone, 'hex') || encode(address, 'hex') || version FROM";
        var row = await RowAsync("orders", $"{Row} customers WHERE id = $1", id);
        await RelayBed.EventuallyAsync(async () => await RowAsync("views", $"{Row} customer_view WHERE id = $1", id) is { } copy && copy == row, "the customer in the view");

        using var reader = new TopicReader(await platform.KafkaAsync(), Topics.CustomerRows);
        var told = new StringBuilder();
        await reader.ReadToAsync(await reader.EndAsync(Cancellation), record => told.Append(Encoding.UTF8.GetString(record.Message.Value ?? [])), Cancellation);
        told.ToString().ShouldContain(id);
        foreach (var secret in (string[])["Grace " + id, "grace+" + id, "hopper+" + id])
        {
            told.ToString().ShouldNotContain(secret);
            told.ToString().ShouldNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)).TrimEnd('=')[..^2]);
        }
    }

    private async Task<string?> RowAsync(string database, string sql, string id)
    {
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(await platform.PostgresAsync()) { Database = database, Pooling = false }.ConnectionString);
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter { Value = id });
        return await command.ExecuteScalarAsync(Cancellation) as string;
    }
}
