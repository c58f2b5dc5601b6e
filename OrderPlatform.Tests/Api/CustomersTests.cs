using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class CustomersTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Personal_fields_are_shown_to_those_who_may_see_them_and_to_nobody_else()
    {
        var api = await platform.ApiAsync();
        using var clerk = await platform.ApiAsync(["orders:read", "orders:write"]);
        var key = Guid.NewGuid().ToString();

        using var registered = await api.SendAsync(Post("/customers", Ada(key), key), Cancellation);
        using var repeated = await api.SendAsync(Post("/customers", Ada(key), key), Cancellation);
        using var byClerk = await clerk.SendAsync(Post("/customers", Ada("other-" + key), key), Cancellation);

        registered.StatusCode.ShouldBe(HttpStatusCode.Created);
        registered.Headers.Location!.ToString().ShouldBe($"/customers/{key}");
        var customer = await registered.ReadObjectAsync();
        customer["name"]!.ToString().ShouldBe("Ada Lovelace " + key);
        customer["redacted"]!.ToJsonString().ShouldBe("false");
        (await repeated.ReadObjectAsync()).ToJsonString().ShouldBe(customer.ToJsonString());
        (await api.GetObjectAsync($"/customers/{key}")).ToJsonString().ShouldBe(customer.ToJsonString());
        foreach (var seen in (JsonObject[])[await byClerk.ReadObjectAsync(), await clerk.GetObjectAsync($"/customers/{key}")])
        {
            seen["redacted"]!.ToJsonString().ShouldBe("true");
            ((string[])["name", "email", "phone", "address"]).ShouldAllBe(field => seen[field] == null);
        }
    }

    [Fact]
    public async Task No_table_ever_holds_a_personal_field_in_plain_text()
    {
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        using var registered = await api.SendAsync(Post("/customers", Ada(id)), Cancellation);
        using var changed = await api.SendAsync(Patch($"/customers/{id}", $$"""{"email":"countess+{{id}}@example.com"}""", "\"1\""), Cancellation);
        changed.StatusCode.ShouldBe(HttpStatusCode.OK);

        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        foreach (var secret in (string[])["Ada Lovelace " + id, "ada+" + id, "countess+" + id])
        {
            foreach (var form in (string[])[secret, Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)).TrimEnd('=')[..^2]])
            {
                (await TablesWithAsync(source, form)).ShouldBeEmpty(form);
            }
        }
        (await TablesWithAsync(source, id)).ShouldBe(["customer_keys", "customers", "event_log", "idempotency"], ignoreOrder: true);
    }

    [Fact]
    public async Task A_change_keeps_what_it_does_not_name_and_needs_the_version()
    {
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        using var registered = await api.SendAsync(Post("/customers", Ada(id)), Cancellation);

        using var unseen = await api.SendAsync(Patch($"/customers/{id}", """{"name":"X"}""", null), Cancellation);
        using var stale = await api.SendAsync(Patch($"/customers/{id}", """{"name":"X"}""", "\"2\""), Cancellation);
        using var changed = await api.SendAsync(Patch($"/customers/{id}", """{"name":"Ada King","phone":""}""", "\"1\""), Cancellation);
        using var nobody = await api.SendAsync(Patch($"/customers/{Guid.NewGuid()}", """{"name":"X"}""", "\"1\""), Cancellation);

        await unseen.ShouldBeProblemAsync(HttpStatusCode.PreconditionRequired);
        await stale.ShouldBeProblemAsync(HttpStatusCode.PreconditionFailed);
        await nobody.ShouldBeProblemAsync(HttpStatusCode.NotFound);
        changed.Headers.ETag!.ToString().ShouldBe("\"2\"");
        var customer = await api.GetObjectAsync($"/customers/{id}");
        customer["name"]!.ToString().ShouldBe("Ada King");
        customer["phone"].ShouldBeNull();
        customer["email"]!.ToString().ShouldBe($"ada+{id}@example.com");
        customer["address"]!.ToString().ShouldBe("12 St James's Square\nLondon");
        (await EventsAsync(id)).ShouldBe(["1 customer.events CustomerRegistered.v1", "2 customer.events CustomerChanged.v1"]);
    }

    [Fact]
    public async Task An_id_is_made_when_none_is_given_and_not_given_twice()
    {
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        using var named = await api.SendAsync(Post("/customers", Ada(id)), Cancellation);

        using var unnamed = await api.SendAsync(Post("/customers", """{"name":"Grace","email":"g@example.com"}"""), Cancellation);
        using var twice = await api.SendAsync(Post("/customers", Ada(id)), Cancellation);

        unnamed.StatusCode.ShouldBe(HttpStatusCode.Created);
        (await unnamed.ReadObjectAsync())["id"]!.ToString().ShouldNotBeEmpty();
        await twice.ShouldBeProblemAsync(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Without_the_customers_key_nobody_reads_the_fields_any_more()
    {
        var api = await platform.ApiAsync();
        var id = Guid.NewGuid().ToString();
        var key = Guid.NewGuid().ToString();
        using var registered = await api.SendAsync(Post("/customers", Ada(id), key), Cancellation);
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var erase = source.CreateCommand("DELETE FROM customer_keys WHERE customer_id = $1");
        erase.Parameters.Add(new NpgsqlParameter { Value = id });
        (await erase.ExecuteNonQueryAsync(Cancellation)).ShouldBe(1);

        using var repeated = await api.SendAsync(Post("/customers", Ada(id), key), Cancellation);
        using var changed = await api.SendAsync(Patch($"/customers/{id}", """{"name":"X"}""", "\"1\""), Cancellation);

        (await repeated.ReadObjectAsync())["redacted"]!.ToJsonString().ShouldBe("true");
        (await api.GetObjectAsync($"/customers/{id}"))["name"].ShouldBeNull();
        await changed.ShouldBeProblemAsync(HttpStatusCode.Conflict);
    }

    [Theory]
    [InlineData("""{"email":"a@b"}""", "name")]
    [InlineData("""{"name":"","email":"a@b"}""", "name")]
    [InlineData("""{"name":"A","email":"nobody"}""", "email")]
    [InlineData("""{"name":"A","email":"@b"}""", "email")]
    [InlineData("""{"name":"A","email":"a@"}""", "email")]
    [InlineData("""{"name":"A","email":"a@b","phone":"\u0000"}""", "phone")]
    [InlineData("""{"name":"A","email":"a@b","id":" x"}""", "id")]
    [InlineData("""{"name":"A","email":"a@b","age":7}""", "age")]
    public async Task A_wrong_field_is_named(string body, string field)
    {
        var api = await platform.ApiAsync();

        using var response = await api.SendAsync(Post("/customers", body), Cancellation);

        (await response.ShouldBeProblemAsync(HttpStatusCode.BadRequest))["errors"]!.AsObject().Select(error => error.Key).ShouldBe([field]);
    }

    private static string Ada(string id) =>
        $$"""{"id":"{{id}}","name":"Ada Lovelace {{id}}","email":"ada+{{id}}@example.com","phone":"+44 20 7946 0000","address":"12 St James's Square\nLondon"}""";

    /// <summary>The tables that hold the text in any column, as text or as bytes; a partition counts as its table.</summary>
    private static async Task<List<string>> TablesWithAsync(NpgsqlDataSource source, string text)
    {
        await using var command = source.CreateCommand(
            """
            SELECT t.relname FROM pg_class t
            WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relnamespace = 'public'::regnamespace
              AND (xpath('count(//row)', query_to_xml(format(
                'SELECT 1 FROM %I x WHERE position(%L IN x::text) > 0 OR position(%L IN x::text) > 0', t.relname, $1, encode(convert_to($1, 'UTF8'), 'hex')), false, false, '')))[1]::text::numeric > 0
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = text });
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var tables = new List<string>();
        while (await reader.ReadAsync(Cancellation))
        {
            tables.Add(reader.GetString(0));
        }
        return tables;
    }

    private async Task<List<string>> EventsAsync(string id)
    {
        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var command = source.CreateCommand("SELECT sequence || ' ' || topic || ' ' || type FROM event_log WHERE stream = $1 ORDER BY sequence");
        command.Parameters.Add(new NpgsqlParameter { Value = $"customer/{id}" });
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var events = new List<string>();
        while (await reader.ReadAsync(Cancellation))
        {
            events.Add(reader.GetString(0));
        }
        return events;
    }
}
