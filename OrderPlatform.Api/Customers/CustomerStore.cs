using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Customers;

/// <summary>What the use cases of customers share.</summary>
internal sealed class CustomerStore(CustomerKeys keys)
{
    /// <summary>The customer's key; null when the customer was erased or never was.</summary>
    public async Task<CustomerKey?> KeyAsync(CustomersContext context, string id, CancellationToken cancellation) =>
        await context.Keys.AsNoTracking().SingleOrDefaultAsync(key => key.CustomerId == id, cancellation) is { } stored
            ? keys.Unwrap(id, stored.Wrapped)
            : null;

    /// <summary>The customer as this caller may see it.</summary>
    public async Task<Customer> OpenAsync(HttpContext http, CustomersContext context, SealedCustomer customer, CancellationToken cancellation) =>
        customer.Open(http.Caller().Scopes.Contains(Scopes.PiiRead) ? await KeyAsync(context, customer.Id, cancellation) : null);

    /// <summary>Tells of the customer's latest state, in the connection's transaction.</summary>
    public static async Task AppendAsync(NpgsqlConnection connection, SealedCustomer customer, CancellationToken cancellation)
    {
        CustomerEvent happened = customer.Version == 1
            ? new CustomerRegistered { CustomerId = customer.Id, Name = customer.Name, Email = customer.Email, Phone = customer.Phone, Address = customer.Address }
            : new CustomerChanged { CustomerId = customer.Id, Name = customer.Name, Email = customer.Email, Phone = customer.Phone, Address = customer.Address };
        await using var append = new NpgsqlBatch(connection) { BatchCommands = { EventLogWriter.Append(customer.Id, customer.Version, customer.UpdatedAt, happened) } };
        await append.ExecuteNonQueryAsync(cancellation);
    }
}
