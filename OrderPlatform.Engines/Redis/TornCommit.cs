using System.Globalization;

namespace OrderPlatform.Engines.Redis;

/// <summary>
/// Mends the one end of a log, left by a kill -9, that Garnet 2.2.5 takes for an empty log: it starts without a word and without any data.
/// </summary>
/// <remarks>
/// The log is written in sectors of 512 bytes. A commit record is the length of its body, negative (-40), and the body: version (1),
/// checksum, begin, end, number, length of a cookie; the checksum is the last four XORed (TsavoriteLogRecoveryInfo.Initialize in
/// Garnet's sources). When the last sector that reached the disk ends behind the version, the rest reads as zeros, and the
/// checksum of zeros is zero: a valid commit whose end is 0. Cut off at any other place, the record is found to be torn.
/// It can be taken away: what it would have committed has not been acknowledged.
/// </remarks>
internal static class TornCommit
{
    private static readonly byte[] Beginning = [0xd8, 0xff, 0xff, 0xff, 1, 0, 0, 0];

    /// <summary>Overwrites such a record with zeros, the sign of the log's end. The server must not run.</summary>
    /// <param name="dataFolder">The server's data; without a log in it, nothing happens.</param>
    /// <exception cref="IOException">The log cannot be read or written.</exception>
    public static void Mend(string dataFolder)
    {
        var folder = new DirectoryInfo(Path.Combine(dataFolder, "AOF"));
        if (!folder.Exists || folder.EnumerateFiles("aof.log.*").Where(segment => segment.Length > 0).MaxBy(Number) is not { } last)
        {
            return;
        }
        using var log = last.Open(FileMode.Open, FileAccess.ReadWrite);
        log.Seek(-Beginning.Length, SeekOrigin.End);
        var end = new byte[Beginning.Length];
        log.ReadExactly(end);
        if (end.AsSpan().SequenceEqual(Beginning))
        {
            log.Seek(-Beginning.Length, SeekOrigin.End);
            log.Write(new byte[Beginning.Length]);
        }
    }

    private static int Number(FileInfo segment) => int.Parse(segment.Name[(segment.Name.LastIndexOf('.') + 1)..], CultureInfo.InvariantCulture);
}
