using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace OrderPlatform.Api.Storage;

/// <summary>
/// EF Core over a connection that the use case opened, so that what it saves is in the same transaction as the event that
/// tells of it. The tables are made by the migrations of OrderPlatform.Setup.
/// </summary>
internal abstract class ModuleContext(NpgsqlConnection connection) : DbContext
{
    /// <summary>Saves. False when somebody was faster: the row's version is another one, or a row with this key is there.</summary>
    public async Task<bool> TrySaveAsync(CancellationToken cancellation)
    {
        // the use case begins and commits
        Database.AutoTransactionBehavior = AutoTransactionBehavior.Never;
        try
        {
            await SaveChangesAsync(cancellation);
            return true;
        }
        catch (DbUpdateException e) when (e is DbUpdateConcurrencyException || e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            return false;
        }
    }

    protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder) => optionsBuilder.UseNpgsql(connection);
}
