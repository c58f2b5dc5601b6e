using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace OrderPlatform.Api.Storage;

/// <summary>
/// EF Core's view of a module's tables, which are made by the migrations of OrderPlatform.Setup. Who only reads is given a pooled
/// context; who writes makes one on the connection of the use case, so that what is saved is in the same transaction as the
/// event that tells of it.
/// </summary>
internal abstract class ModuleContext(DbContextOptions options) : DbContext(options)
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

    /// <summary>Options of a context on a connection that is open already, and stays the caller's.</summary>
    protected static DbContextOptions<TContext> OptionsOn<TContext>(NpgsqlConnection connection)
        where TContext : ModuleContext => new DbContextOptionsBuilder<TContext>().UseNpgsql(connection).Options;
}
