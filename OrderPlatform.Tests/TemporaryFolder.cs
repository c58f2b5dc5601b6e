namespace OrderPlatform.Tests;

/// <summary>A throw-away folder that every user may enter: PostgreSQL runs as another one when the tests run as root.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <summary>Its full path.</summary>
    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "orderplatform-test-" + Guid.NewGuid().ToString("N")[..12]);

    /// <summary>Makes the folder.</summary>
    public TemporaryFolder() => Directory.CreateDirectory(Path);

    /// <inheritdoc />
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
