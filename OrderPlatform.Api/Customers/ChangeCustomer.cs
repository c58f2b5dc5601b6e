using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Customers;

/// <summary>What shall change: a field that is left out (or null) stays as it is; an empty phone or address is removed.</summary>
public sealed record ChangeCustomerRequest(string? Name = null, string? Email = null, string? Phone = null, string? Address = null);

/// <summary>PATCH /customers/{id}: changes the version of a customer that the caller has seen.</summary>
internal static class ChangeCustomer
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, JsonBody<ChangeCustomerRequest> body, CustomerStore store,
        [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, TimeProvider clock, CancellationToken cancellation)
    {
        var ifMatch = http.RequireIfMatch();
        var change = Checked(body.Value);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var context = CustomersContext.On(connection);
        var before = await context.Customers.SingleOrDefaultAsync(customer => customer.Id == id, cancellation) ?? throw ProblemException.NotFound($"customer {id}");
        ifMatch.Require(before.Version);
        var key = await store.KeyAsync(context, id, cancellation)
            ?? throw new ProblemException(StatusCodes.Status409Conflict, "The customer was erased and cannot be changed.");

        var after = Changed(before, change, key) with { Version = before.Version + 1, UpdatedAt = clock.GetUtcNow().Truncated() };
        context.Entry(before).CurrentValues.SetValues(after);
        if (!await context.TrySaveAsync(cancellation))
        {
            throw IfMatch.Stale();
        }
        await CustomerStore.AppendAsync(connection, after, cancellation);
        await transaction.CommitAsync(CancellationToken.None);
        return Answer.Ok(await store.OpenAsync(http, context, after, cancellation), after.Version);
    }

    private static ChangeCustomerRequest Checked(ChangeCustomerRequest? request) =>
        request is null or { Name: null, Email: null, Phone: null, Address: null }
            ? throw ProblemException.Invalid("$", "must have at least one of name, email, phone and address.")
            : new ChangeCustomerRequest(
                request.Name is null ? null : CustomerFields.Name(request.Name),
                request.Email is null ? null : CustomerFields.Email(request.Email),
                CustomerFields.Phone(request.Phone),
                CustomerFields.Address(request.Address));

    private static SealedCustomer Changed(SealedCustomer before, ChangeCustomerRequest change, CustomerKey key) => before with
    {
        Name = key.Seal(PersonalFields.Name, change.Name) ?? before.Name,
        Email = key.Seal(PersonalFields.Email, change.Email) ?? before.Email,
        Phone = change.Phone is "" ? null : key.Seal(PersonalFields.Phone, change.Phone) ?? before.Phone,
        Address = change.Address is "" ? null : key.Seal(PersonalFields.Address, change.Address) ?? before.Address,
    };
}
