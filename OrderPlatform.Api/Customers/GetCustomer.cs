using Microsoft.EntityFrameworkCore;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Customers;

/// <summary>GET /customers/{id}: a customer; personal fields only for callers who may see them.</summary>
internal static class GetCustomer
{
    public static async Task<IResult> HandleAsync(HttpContext http, string id, CustomerStore store, CustomersContext context, CancellationToken cancellation)
    {
        var customer = await context.Customers.AsNoTracking().SingleOrDefaultAsync(customer => customer.Id == id, cancellation)
            ?? throw ProblemException.NotFound($"customer {id}");
        return http.HasSeen(customer.Version) ? http.NotModified(customer.Version) : Answer.Ok(await store.OpenAsync(http, context, customer, cancellation), customer.Version);
    }
}
