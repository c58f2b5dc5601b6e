namespace OrderPlatform.Engines.Redis;

/// <summary>
/// The file of the storage tier, made beforehand in its whole length. When Garnet 2.2.5 writes a page of which it has only an end, as
/// after FLUSHALL, it first reads the sector in front of it, and a file that is not that long yet fails the write for good: later
/// writes wait for ever, or the next checkpoint does, while PING is answered.
/// </summary>
internal static class LogFile
{
    /// <summary>For <c>--segment</c>: one file for all the log that a development machine will ever write.</summary>
    public const string Segment = "64g";

    private const long Length = 64L << 30;

    /// <summary>Makes it, or makes it longer: it is sparse, and takes no room until it is written to. Windows would give it all of that at once, and is left as it is.</summary>
    /// <exception cref="IOException">The file system has no files of this length.</exception>
    public static void Extend(string dataFolder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        using var file = File.OpenHandle(Path.Combine(Directory.CreateDirectory(Path.Combine(dataFolder, "Store")).FullName, "hlog.0"), FileMode.OpenOrCreate, FileAccess.Write);
        if (RandomAccess.GetLength(file) < Length)
        {
            RandomAccess.SetLength(file, Length);
        }
    }
}
