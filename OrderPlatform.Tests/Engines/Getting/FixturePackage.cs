using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Engines.Getting;

namespace OrderPlatform.Tests.Engines.Getting;

/// <summary>A tiny npm package on disk: npm packs it without a network.</summary>
internal static class FixturePackage
{
    private static readonly (string Path, string Text)[] Ordinary =
    [
        ("package/package.json", """{ "name": "fixture", "version": "1.0.0" }"""),
        ("package/bin/engine", "#!/bin/sh\necho runs\n"),
        ("package/README.md", "not needed"),
    ];

    /// <summary>Writes the .tgz and gives the package that is made of it, with the right checksum.</summary>
    public static EnginePackage Write(string path, params (string Path, string Text)[] more)
    {
        using (var file = File.Create(path))
        using (var packed = new GZipStream(file, CompressionLevel.Fastest))
        using (var tar = new TarWriter(packed))
        {
            foreach (var (name, text) in Ordinary.Concat(more))
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name)
                {
                    DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
                    Mode = name.Contains("/bin/") ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b110_100_100,
                });
            }
        }
        var bytes = File.ReadAllBytes(path);
        return new EnginePackage("fixture", "Fixture", "1.0", new NpmSource(path), bytes.Length, Convert.ToBase64String(SHA512.HashData(bytes)))
        {
            Place = name => name.EndsWith(".md", StringComparison.Ordinal) ? null : name["package/".Length..],
        };
    }
}
