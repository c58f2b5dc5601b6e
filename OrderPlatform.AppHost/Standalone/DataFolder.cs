using System.Security.Cryptography;
using OrderPlatform.Engines;

namespace OrderPlatform.AppHost.Standalone;

/// <summary>The folder that holds everything the platform keeps. One host at a time owns it.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly FileStream _lock;

    private DataFolder(string path, FileStream heldLock)
    {
        Path = path;
        _lock = heldLock;
    }

    /// <summary>Its full path.</summary>
    public string Path { get; }

    /// <summary>Where clients find the running platform.</summary>
    public string RunFile => System.IO.Path.Combine(Path, "run.json");

    /// <summary>Makes the folder when it is missing and takes it for this process.</summary>
    /// <exception cref="EngineException">Another host has it, or it cannot be written; the message names the mend.</exception>
    public static DataFolder Claim(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            var folder = new DataFolder(path, TakeLock(path));
            File.Delete(folder.RunFile);
            return folder;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new EngineException($"The data folder {path} cannot be used: {e.Message} Give another with --data DIR.", e);
        }
    }

    /// <summary>The development key with every scope: made once, readable by this user only.</summary>
    public string ApiKey() => Secret("api-key", () => "dev-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20)));

    /// <summary>What customers' keys are wrapped with. Without it their personal fields cannot be read any more.</summary>
    public string MasterKey() => Secret("master-key", () => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));

    /// <summary>The path of <paramref name="name"/> in this folder.</summary>
    public string Named(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file that only this user can read, whole or not at all.</summary>
    public static void WritePrivately(string file, string content)
    {
        var partial = file + ".partial";
        File.Delete(partial);
        using (var stream = new FileStream(partial, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        using (var writer = new StreamWriter(stream))
        {
            writer.Write(content);
        }
        File.Move(partial, file, overwrite: true);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        File.Delete(RunFile);
        _lock.Dispose();
    }

    private string Secret(string name, Func<string> make)
    {
        var file = Named(name);
        if (!File.Exists(file))
        {
            WritePrivately(file, make());
        }
        return File.ReadAllText(file).Trim();
    }

    private static FileStream TakeLock(string path)
    {
        var file = System.IO.Path.Combine(path, "host.lock");
        try
        {
            // FileShare.None is an exclusive flock, which ends with the process, however that ends
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (IOException) when (File.Exists(file))
        {
            throw new EngineException($"Another host already runs on {path}. Stop it, or give this one a folder of its own with --data DIR and a port with --api-port PORT.");
        }
    }
}
