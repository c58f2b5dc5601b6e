using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Storage;

namespace OrderPlatform.Api.Products;

/// <summary>The table of products.</summary>
internal sealed class ProductsContext(DbContextOptions<ProductsContext> options) : ModuleContext(options)
{
    public DbSet<Product> Products => Set<Product>();

    /// <summary>In the transaction of a use case that writes.</summary>
    public static ProductsContext On(NpgsqlConnection connection) => new(OptionsOn<ProductsContext>(connection));

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.Entity<Product>(product =>
    {
        product.ToTable("products");
        product.Property(p => p.Id).HasColumnName("id");
        product.Property(p => p.Name).HasColumnName("name");
        product.Property(p => p.Description).HasColumnName("description");
        product.Property(p => p.Price).HasColumnName("price");
        product.Property(p => p.Currency).HasColumnName("currency");
        product.Property(p => p.Version).HasColumnName("version").IsConcurrencyToken();
        product.Property(p => p.CreatedAt).HasColumnName("created_at");
        product.Property(p => p.UpdatedAt).HasColumnName("updated_at");
    });
}
