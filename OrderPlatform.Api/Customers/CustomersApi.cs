using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;

namespace OrderPlatform.Api.Customers;

/// <summary>The endpoints of customers.</summary>
internal static class CustomersApi
{
    public static void AddCustomers(this IServiceCollection services)
    {
        services.AddOptions<PrivacyOptions>().BindConfiguration("Privacy")
            .Validate(privacy => privacy.MasterKey.Length >= PrivacyOptions.MinMasterKeyLength, $"Set Privacy:MasterKey (Privacy__MasterKey) to a random secret of at least {PrivacyOptions.MinMasterKeyLength} characters, and keep it.")
            .ValidateOnStart();
        services.AddSingleton<CustomerKeys>().AddSingleton<CustomerStore>();
    }

    public static void MapCustomers(this WebApplication app)
    {
        var customers = app.MapGroup("/customers").WithTags("Customers");
        var read = customers.MapGroup("").RequireScope(Scopes.OrdersRead);
        var write = customers.MapGroup("").RequireScope(Scopes.OrdersWrite);

        write.MapPost("/", RegisterCustomer.HandleAsync).WithName("RegisterCustomer").WithSummary("Register a customer").Produces<Customer>(StatusCodes.Status201Created);
        read.MapGet("/{id}", GetCustomer.HandleAsync).WithName("GetCustomer").WithSummary("Read a customer").Produces<Customer>().SendsVersionsOnce();
        write.MapPatch("/{id}", ChangeCustomer.HandleAsync).WithName("ChangeCustomer").WithSummary("Change a customer").Produces<Customer>().CanAnswer(StatusCodes.Status409Conflict);
    }
}
