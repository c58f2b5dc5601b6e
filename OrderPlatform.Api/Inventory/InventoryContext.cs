using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Storage;

namespace OrderPlatform.Api.Inventory;

/// <summary>The table of stock.</summary>
internal sealed class InventoryContext(DbContextOptions<InventoryContext> options) : ModuleContext(options)
{
    public DbSet<Stock> Stock => Set<Stock>();

    /// <summary>In the transaction of a use case that writes.</summary>
    public static InventoryContext On(NpgsqlConnection connection) => new(OptionsOn<InventoryContext>(connection));

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.Entity<Stock>(stock =>
    {
        stock.ToTable("stock").HasKey(s => s.ProductId);
        stock.Property(s => s.ProductId).HasColumnName("product_id");
        stock.Property(s => s.OnHand).HasColumnName("on_hand");
        stock.Property(s => s.Reserved).HasColumnName("reserved");
        stock.Property(s => s.Version).HasColumnName("version").IsConcurrencyToken();
    });
}
