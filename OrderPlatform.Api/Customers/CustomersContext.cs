using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Storage;

namespace OrderPlatform.Api.Customers;

/// <summary>The tables of customers and their keys.</summary>
internal sealed class CustomersContext(DbContextOptions<CustomersContext> options) : ModuleContext(options)
{
    public DbSet<SealedCustomer> Customers => Set<SealedCustomer>();

    public DbSet<WrappedKey> Keys => Set<WrappedKey>();

    /// <summary>In the transaction of a use case that writes.</summary>
    public static CustomersContext On(NpgsqlConnection connection) => new(OptionsOn<CustomersContext>(connection));

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<SealedCustomer>(customer =>
        {
            customer.ToTable("customers");
            customer.Property(c => c.Id).HasColumnName("id");
            customer.Property(c => c.Name).HasColumnName("name");
            customer.Property(c => c.Email).HasColumnName("email");
            customer.Property(c => c.Phone).HasColumnName("phone");
            customer.Property(c => c.Address).HasColumnName("address");
            customer.Property(c => c.Version).HasColumnName("version").IsConcurrencyToken();
            customer.Property(c => c.CreatedAt).HasColumnName("created_at");
            customer.Property(c => c.UpdatedAt).HasColumnName("updated_at");
        });
        modelBuilder.Entity<WrappedKey>(key =>
        {
            key.ToTable("customer_keys").HasKey(k => k.CustomerId);
            key.Property(k => k.CustomerId).HasColumnName("customer_id");
            key.Property(k => k.Wrapped).HasColumnName("wrapped_key");
            key.HasOne<SealedCustomer>().WithOne().HasForeignKey<WrappedKey>(k => k.CustomerId);
        });
    }
}
