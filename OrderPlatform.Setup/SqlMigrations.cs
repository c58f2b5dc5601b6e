using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace OrderPlatform.Setup;

/// <summary>One numbered SQL file of a database: <c>Migrations/{database}/{number}_{name}.sql</c>. Once applied anywhere it is never edited.</summary>
/// <param name="Number">Its place in the order, from 1.</param>
/// <param name="Name">What it brings.</param>
/// <param name="Sql">Its text.</param>
internal sealed record SqlMigration(int Number, string Name, string Sql)
{
    /// <summary>SHA-256 of the text, so that an edited file is noticed.</summary>
    public string Hash { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql)));

    /// <summary>The migrations of a database, in order.</summary>
    public static IReadOnlyList<SqlMigration> Of(string database)
    {
        var assembly = Assembly.GetExecutingAssembly();
        var prefix = $"Migrations/{database}/";
        return [.. assembly.GetManifestResourceNames()
            .Where(resource => resource.StartsWith(prefix, StringComparison.Ordinal))
            .Select(resource => Read(assembly, resource, Path.GetFileNameWithoutExtension(resource[prefix.Length..])))
            .OrderBy(migration => migration.Number)];
    }

    /// <exception cref="InvalidOperationException">The file was edited after it had been applied with another content.</exception>
    public void RefuseWhenEdited(string appliedHash)
    {
        if (appliedHash != Hash)
        {
            throw new InvalidOperationException($"Migration {Number:0000}_{Name} was edited after it had been applied. Undo the edit and put the change into a new migration.");
        }
    }

    private static SqlMigration Read(Assembly assembly, string resource, string fileName)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
        var parts = fileName.Split('_', 2);
        return new SqlMigration(int.Parse(parts[0], CultureInfo.InvariantCulture), parts[1], reader.ReadToEnd());
    }
}
