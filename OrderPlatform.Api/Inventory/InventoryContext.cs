using Microsoft.EntityFrameworkCore;
using Npgsql;
using OrderPlatform.Api.Storage;

namespace OrderPlatform.Api.Inventory;

/// <summary>The table of stock.</summary>
internal sealed class InventoryContext(NpgsqlConnection connection) : ModuleContext(connection)
{
    public DbSet<Stock> Stock => Set<Stock>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.Entity<Stock>(stock =>
    {
        stock.ToTable("stock").HasKey(s => s.ProductId);
        stock.Property(s => s.ProductId).HasColumnName("product_id");
        stock.Property(s => s.OnHand).HasColumnName("on_hand");
        stock.Property(s => s.Reserved).HasColumnName("reserved");
        stock.Property(s => s.Version).HasColumnName("version").IsConcurrencyToken();
    });
}
