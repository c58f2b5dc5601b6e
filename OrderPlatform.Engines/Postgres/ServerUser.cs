using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Postgres;

/// <summary>PostgreSQL refuses to run as root. A host that is root runs it as <c>nobody</c>; any other host as itself.</summary>
internal static partial class ServerUser
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Where a cluster goes when nobody cannot enter the data folder.</summary>
    private const string OpenRoot = "/var/lib/orderplatform";

    private static readonly Lazy<(uint User, uint Group)?> Nobody = new(() => FindNobody("/etc/passwd"));

    private static bool IsRoot => Environment.IsPrivilegedProcess;

    /// <summary>What this machine lacks to run as that user.</summary>
    public static IEnumerable<string> Missing(string cacheRoot)
    {
        if (!IsRoot)
        {
            yield break;
        }
        if (Nobody.Value is null)
        {
            yield return "PostgreSQL does not run as root and there is no user nobody to run it as: start the platform as an ordinary user.";
        }
        if (Tool.Find("setpriv") is null)
        {
            yield return "PostgreSQL does not run as root and setpriv is not there to run it as nobody: install util-linux, or start the platform as an ordinary user.";
        }
        if (!OthersMayEnter(cacheRoot))
        {
            yield return $"PostgreSQL runs as nobody when started by root, and nobody may not enter the cache {cacheRoot}: set {EngineCache.RootVariable} to a folder that everyone may enter.";
        }
    }

    /// <summary>The command, run as that user without any other right.</summary>
    public static ChildCommand Run(ChildCommand command) =>
        IsRoot && Nobody.Value is var (user, group)
            ? command with
            {
                FileName = "setpriv",
                Arguments = [$"--reuid={user}", $"--regid={group}", "--clear-groups", "--no-new-privs", "--inh-caps=-all", command.FileName, .. command.Arguments],
            }
            : command;

    /// <summary>Makes the data folder and gives it to that user; a link to a folder elsewhere when the user cannot enter it.</summary>
    /// <returns>The folder behind the link, which the user can walk to.</returns>
    public static string MakeFolder(string dataFolder)
    {
        if (IsRoot && !Directory.Exists(dataFolder) && !OthersMayEnter(Path.GetDirectoryName(dataFolder)!))
        {
            var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)))[..12];
            var open = Path.Combine(OpenRoot, hash, Path.GetFileName(dataFolder));
            Archive.CreateOpenDirectory(open);
            Directory.CreateDirectory(Path.GetDirectoryName(dataFolder)!);
            File.Delete(dataFolder);
            File.CreateSymbolicLink(dataFolder, open);
            Console.Error.WriteLine($"PostgreSQL runs as nobody, who may not enter {dataFolder}: its data is in {open}, with a link to it.");
        }
        Archive.CreateOpenDirectory(dataFolder);
        File.SetUnixFileMode(dataFolder, OwnerOnly);
        Own(dataFolder);
        return Directory.ResolveLinkTarget(dataFolder, returnFinalTarget: true)?.FullName ?? dataFolder;
    }

    /// <summary>Gives the path to that user.</summary>
    public static void Own(string path)
    {
        if (IsRoot && Nobody.Value is var (user, group) && ChangeOwner(path, user, group) != 0)
        {
            throw new IOException($"{path} cannot be given to nobody: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }
    }

    /// <summary>Whether a user without any right of their own can walk down to the path, as far as it exists.</summary>
    public static bool OthersMayEnter(string path)
    {
        for (var folder = new DirectoryInfo(path); folder is not null; folder = folder.Parent)
        {
            if (folder.Exists && !folder.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                return false;
            }
        }
        return true;
    }

    // name:password:uid:gid:...
    private static (uint User, uint Group)? FindNobody(string passwd) =>
        File.Exists(passwd) && File.ReadLines(passwd).FirstOrDefault(line => line.StartsWith("nobody:", StringComparison.Ordinal))?.Split(':') is [_, _, var user, var group, ..]
            ? (uint.Parse(user), uint.Parse(group))
            : null;

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeOwner(string path, uint user, uint group);
}
