using System.Text.Json;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Customers;

/// <summary>A new customer.</summary>
/// <param name="Id">The id that it shall have; one is made when it is left out.</param>
public sealed record RegisterCustomerRequest(string? Name, string? Email, string? Phone = null, string? Address = null, string? Id = null);

/// <summary>POST /customers: registers a customer.</summary>
internal static class RegisterCustomer
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, JsonBody<RegisterCustomerRequest> body, IdempotentWrites writes, CustomerKeys keys, CustomerStore store,
        [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock)
    {
        var now = clock.GetUtcNow().Truncated();
        var request = body.Value ?? throw ProblemException.Invalid("$", "must be a customer: name and email, and id, phone and address if wanted.");
        var id = request.Id is null ? Guid.CreateVersion7(now).ToString("D") : Check.Id(request.Id, "id");
        var (key, wrapped) = keys.Make(id);
        var customer = new SealedCustomer(
            id,
            key.Seal(PersonalFields.Name, CustomerFields.Name(request.Name))!,
            key.Seal(PersonalFields.Email, CustomerFields.Email(request.Email))!,
            key.Seal(PersonalFields.Phone, CustomerFields.Phone(request.Phone)),
            key.Seal(PersonalFields.Address, CustomerFields.Address(request.Address)),
            Version: 1, CreatedAt: now, UpdatedAt: now);

        // what is kept for a repeat is the customer as it is stored, so it holds no plaintext either
        var kept = await writes.RunAsync(http, body.Bytes, forGood: false, async (connection, cancellation) =>
        {
            await InsertAsync(connection, customer, wrapped, cancellation);
            return Answer.Json(StatusCodes.Status201Created, customer);
        });
        var registered = JsonSerializer.Deserialize<SealedCustomer>(kept.Body, PlatformJson.Options)!;
        await using var connection = await source.OpenConnectionAsync(http.RequestAborted);
        await using var context = CustomersContext.On(connection);
        var seen = await store.OpenAsync(http, context, registered, http.RequestAborted);
        return Answer.Created($"/customers/{Uri.EscapeDataString(registered.Id)}", seen, registered.Version);
    }

    private static async Task InsertAsync(NpgsqlConnection connection, SealedCustomer customer, byte[] wrappedKey, CancellationToken cancellation)
    {
        await using var context = CustomersContext.On(connection);
        context.Add(customer);
        context.Add(new WrappedKey(customer.Id, wrappedKey));
        if (!await context.TrySaveAsync(cancellation))
        {
            throw new ProblemException(StatusCodes.Status409Conflict, $"There is a customer {customer.Id} already. Change it with PATCH, or choose another id.");
        }
        await CustomerStore.AppendAsync(connection, customer, cancellation);
    }
}
