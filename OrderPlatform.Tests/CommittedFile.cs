namespace OrderPlatform.Tests;

/// <summary>A file that is made from the code and committed, so that a change of an interface shows in a diff.</summary>
internal static class CommittedFile
{
    private const string RewriteVariable = "REWRITE_COMMITTED_FILES";

    /// <summary>Whether the files shall be written instead of compared.</summary>
    public static bool Rewrites => Environment.GetEnvironmentVariable(RewriteVariable) == "1";

    /// <summary>The full path of a file or folder of the repository.</summary>
    public static string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>The file holds exactly this, or the test fails and says how it is rewritten.</summary>
    public static async Task ShouldBeAsync(string name, string content)
    {
        var cancellation = TestContext.Current.CancellationToken;
        content = content.ReplaceLineEndings("\n").TrimEnd('\n') + "\n";
        if (Rewrites)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(PathOf(name))!);
            await File.WriteAllTextAsync(PathOf(name), content, cancellation);
        }
        var committed = File.Exists(PathOf(name)) ? await File.ReadAllTextAsync(PathOf(name), cancellation) : "";
        (committed == content).ShouldBeTrue(
            $"{name} is not what the code makes. When the change is meant, rewrite it and commit the difference: {RewriteVariable}=1 dotnet test --filter {TestContext.Current.TestClass!.TestClassSimpleName}");
    }

    private static string Root
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder.FullName, "OrderPlatform.sln")))
            {
                folder = folder.Parent ?? throw new InvalidOperationException("The tests do not run within the repository.");
            }
            return folder.FullName;
        }
    }
}
